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

/** One who keeps the log. */
export interface Member {
  readonly id: VoterId;
  /** The node it runs on. */
  readonly nodeId: string;
  /** Its cluster port, `host:port`. */
  readonly addr: string;
}

/** Who keeps the log. Learners get everything and are not counted (Raft thesis, 4.2.1). */
export interface Membership {
  readonly voters: readonly Member[];
  readonly learners: readonly Member[];
}

/** A change of one member; more than one never change at once (Raft thesis, 4.1). */
export type MembershipChange =
  | { readonly kind: 'add-learner'; readonly member: Member }
  | { readonly kind: 'promote'; readonly id: VoterId }
  | { readonly kind: 'remove'; readonly id: VoterId }
  /** The member is reached at another address. */
  | { readonly kind: 'move'; readonly id: VoterId; readonly addr: string };

/** What a snapshot replaces: all entries up to and including `index`. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly membership: Membership;
}
