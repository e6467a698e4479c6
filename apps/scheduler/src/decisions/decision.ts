import type { Instant, LogIndex } from '@shoal/runtime';

/** A node in the eyes of one revision. */
export interface NodeRecord {
  readonly nodeId: string;
  /** The first filter that the node fails; empty when it fits. */
  readonly fails: string;
  /** What it lacks, in words; empty when it fits. */
  readonly lacks: string;
  readonly ofService: number;
  readonly total: number;
  /** Recent failures of the revision on the node, when it is suspect. */
  readonly failures: number;
  /** What the policies of labels give it, more is better; undefined without any. */
  readonly score: number | undefined;
}

export interface FilterCount {
  readonly filter: string;
  readonly nodes: number;
}

/** Every node as it is, for one revision. */
export interface Look {
  /** Nodes that failed each filter, without those at which none did. */
  readonly filters: readonly FilterCount[];
  /** The best first, at most {@link candidatesMax}. */
  readonly candidates: readonly NodeRecord[];
  readonly nodes: number;
  readonly fitting: number;
}

/** Nodes named in one record. */
export const candidatesMax = 50;

/** What one step decided about the tasks of one service revision. */
export interface GroupDecision {
  readonly serviceId: string;
  readonly revision: number;
  readonly at: Instant;
  /** Index of the newest entry that the decision was made on. */
  readonly logIndex: LogIndex;
  readonly placed: readonly { readonly taskId: string; readonly nodeId: string }[];
  /** Ids of tasks that were told to wait. */
  readonly waiting: readonly string[];
  /** Why they wait; empty when none does. */
  readonly err: string;
  /** Undefined when there was too much to do to write it down. */
  readonly look: Look | undefined;
}
