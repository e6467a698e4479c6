import type { LogIndex } from '@shoal/runtime';
import type { VoterId } from '../types.ts';

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

/** Why the members, or the leader, stay as they are. `refused`: the change must not be made at all. */
export interface ChangeFailure {
  readonly kind: 'failed';
  readonly code: Failure['code'] | 'refused';
  /** One sentence for people. */
  readonly message: string;
}

/** `committed`: the change is durable on a quorum. */
export type ChangeOutcome =
  | { readonly kind: 'committed'; readonly index: LogIndex }
  | ChangeFailure;

export type TransferOutcome =
  | { readonly kind: 'transferred'; readonly to: VoterId }
  | ChangeFailure;

export function failure(code: Failure['code'], message: string): Failure {
  return { kind: 'failed', code, message };
}

export function refused(message: string): ChangeFailure {
  return { kind: 'failed', code: 'refused', message };
}

export function unknownOutcome(why: string): Failure {
  return failure('unknown-outcome', `${why}; the proposal may still be committed`);
}

export const transferring = failure('busy', 'leadership is being handed over; try again');
export const stopping = failure('no-leader', 'the voter is stopping');
