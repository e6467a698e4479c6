import { invariant } from '@shoal/runtime';
import type { Raft } from '../core/state.ts';
import type { VoterId } from '../types.ts';
import { type ChangeFailure, failure, type TransferOutcome } from './outcomes.ts';

/** The handing over of leadership that is under way, until it is known who leads. */
export class HandOver {
  readonly #ticksMax: number;
  #asked:
    | { readonly to: VoterId; readonly done: (outcome: TransferOutcome) => void; ticks: number }
    | undefined;

  /** After `ticksMax` without a leader the one who asked is told so. */
  constructor(ticksMax: number) {
    this.#ticksMax = ticksMax;
  }

  get underWay(): boolean {
    return this.#asked !== undefined;
  }

  begin(to: VoterId): Promise<TransferOutcome> {
    invariant(this.#asked === undefined, 'leadership is handed over once at a time', { to });
    const { promise, resolve } = Promise.withResolvers<TransferOutcome>();
    this.#asked = { to, done: resolve, ticks: 0 };
    return promise;
  }

  /** After every step. */
  note({ role, leader }: Raft, isTick: boolean): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    if (isTick) asked.ticks += 1;
    if (role.kind === 'leader') {
      if (role.transfer === undefined)
        this.end(failure('busy', `voter ${asked.to} did not take over in time`));
    } else if (leader !== 0) {
      this.#settle({ kind: 'transferred', to: leader });
    } else if (asked.ticks >= this.#ticksMax) {
      this.end(failure('no-leader', `voter ${asked.to} was to take over, and has not yet`));
    }
  }

  end(outcome: ChangeFailure): void {
    this.#settle(outcome);
  }

  #settle(outcome: TransferOutcome): void {
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.done(outcome);
  }
}
