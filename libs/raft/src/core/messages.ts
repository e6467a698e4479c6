import type { LogIndex, Term } from '@shoal/runtime';
import type { Entry, SnapshotMeta, VoterId } from '../types.ts';

/** An entry's identity: equal index and term mean equal logs up to there (Raft paper, 5.3). */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * What one voter says to another. `term` is the sender's, except in a pre-vote, where it is the term it would
 * stand in, and in `removed`.
 */
export type Message =
  | { readonly kind: 'pre-vote'; readonly term: Term; readonly last: LogPosition }
  | { readonly kind: 'pre-vote-answer'; readonly term: Term; readonly granted: boolean }
  | {
      readonly kind: 'vote';
      readonly term: Term;
      readonly last: LogPosition;
      /** The leader handed over: there is no need to wait until it is missed (thesis, 3.10). */
      readonly transfer: boolean;
    }
  | { readonly kind: 'vote-answer'; readonly term: Term; readonly granted: boolean }
  | {
      readonly kind: 'append';
      readonly term: Term;
      /** The entry before the first of `entries`. */
      readonly previous: LogPosition;
      readonly entries: readonly Entry[];
      readonly commit: LogIndex;
    }
  | {
      readonly kind: 'append-accepted';
      readonly term: Term;
      /** The sender's log is durable and equal to the leader's up to here. */
      readonly match: LogIndex;
    }
  | {
      readonly kind: 'append-rejected';
      readonly term: Term;
      /** `previous.index` of the append that did not fit. */
      readonly rejected: LogIndex;
      /** The last entry of the sender at or before `rejected` that may still fit. */
      readonly hint: LogPosition;
    }
  | {
      readonly kind: 'heartbeat';
      readonly term: Term;
      readonly commit: LogIndex;
      /** Counts the leader's rounds; a read is confirmed once a quorum answered its round or a later one. */
      readonly round: number;
    }
  | { readonly kind: 'heartbeat-answer'; readonly term: Term; readonly round: number }
  /** The state up to `snapshot.index`; its content travels beside the message. */
  | { readonly kind: 'snapshot'; readonly term: Term; readonly snapshot: SnapshotMeta }
  | { readonly kind: 'read-request'; readonly term: Term; readonly token: number }
  | {
      readonly kind: 'read-answer';
      readonly term: Term;
      readonly token: number;
      readonly index: LogIndex;
    }
  /** The leader hands over: stand for election at once (thesis, 3.10). */
  | { readonly kind: 'timeout-now'; readonly term: Term }
  /** By all that is committed up to the entry `index` of term `term` the receiver is no member. */
  | { readonly kind: 'removed'; readonly term: Term; readonly index: LogIndex };

export interface Envelope {
  readonly from: VoterId;
  readonly to: VoterId;
  readonly message: Message;
}
