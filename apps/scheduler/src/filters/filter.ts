import type { Network, Revision } from '@shoal/state';
import type { Candidate } from '../candidate.ts';

/** What the tasks of one service revision need of a node. */
export interface Needs {
  readonly revision: Revision;
  /** The networks the tasks join, as far as they are known. */
  readonly networks: readonly Network[];
}

export type Check = (candidate: Candidate) => boolean;

/** One reason why a node may be unfit. */
export interface Filter {
  /** The check for these needs; undefined when they ask for nothing that this filter looks at. */
  prepare(needs: Needs): Check | undefined;
  /** Swarm's words for `nodes` nodes that failed here. */
  explain(nodes: number): string;
}

/** "1 node" or "3 nodes". */
export function countOfNodes(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`;
}
