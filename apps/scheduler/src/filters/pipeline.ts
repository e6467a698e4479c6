import type { Candidate } from '../candidate.ts';
import { constraintsFilter } from './constraints.ts';
import type { Check, Filter, Needs } from './filter.ts';
import { hostPortsFilter } from './host-ports.ts';
import { maxReplicasFilter } from './max-replicas.ts';
import { platformFilter } from './platform.ts';
import { pluginsFilter } from './plugins.ts';
import { readyFilter } from './ready.ts';
import { resourcesFilter } from './resources.ts';

/** Swarm's order: the first filter that a node fails gets the blame. */
const filters: readonly Filter[] = [
  readyFilter,
  resourcesFilter,
  pluginsFilter,
  constraintsFilter,
  platformFilter,
  hostPortsFilter,
  maxReplicasFilter,
];

/** Position of the filter that a node failed; undefined when it passed them all. */
export type Verdict = number | undefined;

export type Pipeline = (candidate: Candidate) => Verdict;

export function pipelineFor(needs: Needs): Pipeline {
  const checks: { readonly at: number; readonly passes: Check }[] = [];
  for (const [at, filter] of filters.entries()) {
    const passes = filter.prepare(needs);
    if (passes !== undefined) checks.push({ at, passes });
  }
  return (candidate) => checks.find(({ passes }) => !passes(candidate))?.at;
}

/** What nodes failed at, most frequent first, as Swarm prints it; empty when there is no node. */
export function explain(verdicts: Iterable<number>): string {
  const counts = filters.map((filter) => ({ filter, nodes: 0 }));
  for (const verdict of verdicts) {
    const count = counts[verdict];
    if (count !== undefined) count.nodes += 1;
  }
  return counts
    .filter(({ nodes }) => nodes > 0)
    .sort((a, b) => b.nodes - a.nodes)
    .map(({ filter, nodes }) => filter.explain(nodes))
    .join('; ');
}
