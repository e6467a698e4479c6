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

const positions = filters.map((_, at) => at);
const isOfTheNode = (at: number): boolean => filters[at]?.filter.terrain !== undefined;
/** Positions of the filters for which the node's own object decides, and of those that look at what runs there. */
const ofTheNode = positions.filter(isOfTheNode);
const ofWhatRuns = positions.filter((at) => !isOfTheNode(at));

/** The filters that look at something of these needs. */
export class Pipeline {
  readonly needs: Needs;
  /** By position of the filter. */
  readonly #checks: readonly (Check | undefined)[];

  constructor(needs: Needs) {
    this.needs = needs;
    const checks: (Check | undefined)[] = [];
    for (const { filter } of filters) checks.push(filter.prepare(needs));
    this.#checks = checks;
  }

  judge(candidate: Candidate): Verdict {
    for (let at = 0; at < filters.length; at += 1) if (!this.#passes(at, candidate)) return at;
    return undefined;
  }

  /** Passes all filters besides those named. */
  passesBut(candidate: Candidate, names: ReadonlySet<string>): boolean {
    for (let at = 0; at < filters.length; at += 1)
      if (!names.has(filterNames[at] ?? '') && !this.#passes(at, candidate)) return false;
    return true;
  }

  /** Passes the filters that look at the node's own object. */
  suits(candidate: Candidate): boolean {
    for (const at of ofTheNode) if (!this.#passes(at, candidate)) return false;
    return true;
  }

  /** Passes the filters that look at what runs on the node. */
  hasRoom(candidate: Candidate): boolean {
    for (const at of ofWhatRuns) if (!this.#passes(at, candidate)) return false;
    return true;
  }

  /** Needs with equal texts {@link suits} the same nodes. */
  get terrain(): string {
    let text = '';
    for (const at of ofTheNode) {
      if (this.#checks[at] === undefined) continue;
      const own = filters[at]?.filter.terrain?.(this.needs) ?? '';
      if (own !== '') text += `${at}\t${own}\0`;
    }
    return text;
  }

  /** Everything that the node is short of, not only what it is blamed for. */
  lacks(candidate: Candidate): Lack {
    let distance = 0;
    const words: string[] = [];
    for (let at = 0; at < filters.length; at += 1) {
      if (this.#passes(at, candidate)) continue;
      const lack = filters[at]?.filter.lack?.(this.needs, candidate) ?? { distance: 1, words: '' };
      distance += lack.distance;
      if (lack.words !== '') words.push(lack.words);
    }
    return { distance, words: words.join(' and ') };
  }

  /** A filter that these needs do not concern lets every node pass. */
  #passes(at: number, candidate: Candidate): boolean {
    const check = this.#checks[at];
    return check === undefined || check(candidate);
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
