import type { LogIndex } from '@shoal/runtime';
import type { AppliedEntry, Outcome, StateView, Transaction } from '@shoal/state';

/** Why a proposal has no outcomes. After `unknown-outcome` it may still be committed later. */
export interface ProposalFailure {
  readonly kind: 'failed';
  readonly code: 'no-leader' | 'storage' | 'too-large' | 'malformed' | 'busy' | 'unknown-outcome';
  /** One sentence for people. */
  readonly message: string;
}

export type ProposalResult =
  | { readonly kind: 'applied'; readonly outcomes: readonly Outcome[] }
  | ProposalFailure;

/** What listeners of a replica hear; after `reset` nothing they remember of the state holds. */
export type ReplicaEvent =
  | { readonly kind: 'applied'; readonly entry: AppliedEntry }
  /** The whole state was replaced by a snapshot. */
  | { readonly kind: 'reset'; readonly index: LogIndex };

/** A process's own copy of the replicated state, and its way to change it. */
export interface Replica {
  /** Always the newest; reads are synchronous and never wait. */
  readonly view: StateView;
  /** True once the first snapshot or entry stream has been caught up with. */
  readonly ready: boolean;
  /**
   * Proposes all in one message and resolves when they are applied to *this* replica, so the
   * caller then reads its own writes. Outcomes are in the order given.
   */
  propose(transactions: readonly Transaction[]): Promise<ProposalResult>;
  /** Resolves once `view` holds everything that was committed anywhere before the call. */
  catchUp(): Promise<{ readonly kind: 'caught-up'; readonly index: LogIndex } | ProposalFailure>;
  /** Calls `listener` synchronously after every apply; it must not throw. Returns the way to stop. */
  subscribe(listener: (event: ReplicaEvent) => void): () => void;
}
