import type { Network, Revision, StateView } from '@shoal/state';
import type { Candidate } from '../candidate.ts';
import type { PolicyBook } from '../policies/book.ts';

/** What the tasks of one service revision need of a node. */
export interface Needs {
  readonly view: StateView;
  readonly revision: Revision;
  /** The networks the tasks join, as far as they are known. */
  readonly networks: readonly Network[];
  /** What the labels of services say of each other. */
  readonly policies?: PolicyBook | undefined;
  /** True when no label of the service, the cluster or another service has a say in where these go. */
  readonly plain: boolean;
}

export type Check = (candidate: Candidate) => boolean;

/** How far an unfit node is from being fit. */
export interface Lack {
  /** 0 (nearly fit) to 1 (nothing of what is needed is there); more when a person must act. */
  readonly distance: number;
  /** Continues "it …", for example "lacks 512 MiB of memory". */
  readonly words: string;
}

/** One reason why a node may be unfit. */
export interface Filter {
  /** The check for these needs; undefined when they ask for nothing that this filter looks at. */
  prepare(needs: Needs): Check | undefined;
  /** Swarm's words for `nodes` nodes that failed here. */
  explain(nodes: number): string;
  /** What a node that fails the check is short of. */
  lack?(needs: Needs, candidate: Candidate): Lack;
  /**
   * Present when the node's own object alone decides, not what runs there: all that the check depends
   * on, as a text, empty when that is nothing. Needs of equal texts get the same nodes.
   */
  terrain?(needs: Needs): string;
}

/** "1 node" or "3 nodes". */
export function countOfNodes(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`;
}
