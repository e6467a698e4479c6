import type { Candidate } from '../candidate.ts';
import { affinityFilter } from './affinity.ts';
import { constraintsFilter } from './constraints.ts';
import { displacementFilter } from './displacement.ts';
import type { Check, Filter, Lack, Needs } from './filter.ts';
import { hostPortsFilter } from './host-ports.ts';
import { maxReplicasFilter } from './max-replicas.ts';
import { platformFilter } from './platform.ts';
import { pluginsFilter } from './plugins.ts';
import { readyFilter } from './ready.ts';
import { resourcesFilter } from './resources.ts';
import { volumesFilter } from './volumes.ts';

/** In Swarm's order: the first filter that a node fails gets the blame. */
const filters: readonly { readonly name: string; readonly filter: Filter }[] = [
  { name: 'ready', filter: readyFilter },
  { name: 'resources', filter: resourcesFilter },
  { name: 'plugins', filter: pluginsFilter },
  { name: 'constraints', filter: constraintsFilter },
  { name: 'platform', filter: platformFilter },
  { name: 'host-ports', filter: hostPortsFilter },
  { name: 'max-replicas', filter: maxReplicasFilter },
  { name: 'volumes', filter: volumesFilter },
  { name: 'affinity', filter: affinityFilter },
  { name: 'displacement', filter: displacementFilter },
];

export const filterNames: readonly string[] = filters.map(({ name }) => name);

/** Position of the filter that a node failed in {@link filterNames}; undefined when it passed all. */
export type Verdict = number | undefined;

interface Stage {
  readonly at: number;
  readonly filter: Filter;
  readonly passes: Check;
  /** Whether the node's own object decides, not what runs there. */
  readonly ofTheNode: boolean;
}

/** The filters that look at something of these needs. */
export class Pipeline {
  readonly needs: Needs;
  readonly #stages: Stage[] = [];

  constructor(needs: Needs) {
    this.needs = needs;
    for (let at = 0; at < filters.length; at += 1) {
      const filter = filters[at]?.filter;
      const passes = filter?.prepare(needs);
      if (filter === undefined || passes === undefined) continue;
      this.#stages.push({ at, filter, passes, ofTheNode: filter.terrain !== undefined });
    }
  }

  judge(candidate: Candidate): Verdict {
    for (const { at, passes } of this.#stages) if (!passes(candidate)) return at;
    return undefined;
  }

  /** Passes all filters besides those named. */
  passesBut(candidate: Candidate, names: ReadonlySet<string>): boolean {
    for (const { at, passes } of this.#stages)
      if (!names.has(filterNames[at] ?? '') && !passes(candidate)) return false;
    return true;
  }

  /** Passes the filters that look at the node's own object. */
  suits(candidate: Candidate): boolean {
    for (const { ofTheNode, passes } of this.#stages)
      if (ofTheNode && !passes(candidate)) return false;
    return true;
  }

  /** Passes the filters that look at what runs on the node. */
  hasRoom(candidate: Candidate): boolean {
    for (const { ofTheNode, passes } of this.#stages)
      if (!ofTheNode && !passes(candidate)) return false;
    return true;
  }

  /** Needs with equal texts {@link suits} the same nodes. */
  get terrain(): string {
    let text = '';
    for (const { at, filter, ofTheNode } of this.#stages)
      if (ofTheNode) text += `${at}\t${filter.terrain?.(this.needs) ?? ''}\0`;
    return text;
  }

  /** Everything that the node is short of, not only what it is blamed for. */
  lacks(candidate: Candidate): Lack {
    let distance = 0;
    const words: string[] = [];
    for (const { filter, passes } of this.#stages) {
      if (passes(candidate)) continue;
      const lack = filter.lack?.(this.needs, candidate) ?? { distance: 1, words: '' };
      distance += lack.distance;
      if (lack.words !== '') words.push(lack.words);
    }
    return { distance, words: words.join(' and ') };
  }
}

/** The words for one node that failed at the filter. */
export function explainOne(at: number): string {
  return filters[at]?.filter.explain(1) ?? '';
}

/** What nodes failed at, most frequent first, as Swarm prints it; empty when there is no node. */
export function explainCounts(failed: readonly number[]): string {
  return filters
    .map(({ filter }, at) => ({ filter, nodes: failed[at] ?? 0 }))
    .filter(({ nodes }) => nodes > 0)
    .sort((a, b) => b.nodes - a.nodes)
    .map(({ filter, nodes }) => filter.explain(nodes))
    .join('; ');
}
