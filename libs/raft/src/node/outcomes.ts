import type { LogIndex } from '@shoal/runtime';

export interface Failure {
  readonly kind: 'failed';
  /**
   * - `no-leader`: this voter does not lead and took nothing in.
   * - `storage`: the disk refused; the proposal is not in the log.
   * - `too-large`, `busy`: refused before anything was done.
   * - `unknown-outcome`: appended, but whether it will be committed is no longer known here.
   */
  readonly code: 'no-leader' | 'storage' | 'too-large' | 'busy' | 'unknown-outcome';
  /** One sentence for people. */
  readonly message: string;
}

/** `committed`: durable on a quorum and applied to this voter's state machine. */
export type ProposeOutcome = { readonly kind: 'committed'; readonly index: LogIndex } | Failure;

/** A state that has applied `index` shows everything committed before the read was asked for. */
export type ReadIndexOutcome = { readonly kind: 'read'; readonly index: LogIndex } | Failure;

export function failure(code: Failure['code'], message: string): Failure {
  return { kind: 'failed', code, message };
}
