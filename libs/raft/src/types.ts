import type { Brand, LogIndex, Term } from '@shoal/runtime';

/** A voter's number in the cluster: random, never 0, never used again. Fits a safe integer. */
export type VoterId = Brand<number, 'VoterId'>;

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: 'normal' | 'empty' | 'membership';
  /** Encoded once by whoever proposed; carried as is from then on. */
  readonly data: Uint8Array;
}

/** What a voter must remember across a crash (Raft paper, figure 2; `commit` is a hint that speeds up a start). */
export interface HardState {
  readonly term: Term;
  /** 0 when no vote was given in `term`. */
  readonly vote: VoterId | 0;
  readonly commit: LogIndex;
}

/** What a snapshot replaces: all entries up to and including `index`. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly voters: readonly VoterId[];
}
