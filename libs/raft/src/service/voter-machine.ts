import type { Instant, LogIndex } from '@shoal/runtime';
import { type AppliedEntry, type Outcome, State, type StateView } from '@shoal/state';
import type { StateMachine } from '../machine.ts';
import type { Entry } from '../types.ts';

/** The voter's own copy of the state: what its log drives, its snapshots, and its view of the leases. */
export class VoterMachine implements StateMachine {
  #state = new State();
  #index = 0 as LogIndex;
  #time = 0 as Instant;
  readonly #awaited = new Map<string, (outcome: Outcome) => void>();
  #listener: ((applied: AppliedEntry) => void) | undefined;

  get view(): StateView {
    return this.#state.view;
  }

  /** Time of the newest entry applied. */
  get time(): Instant {
    return this.#time;
  }

  apply(entry: Entry): void {
    const applied = this.#state.apply(entry.index, entry.data);
    this.#index = entry.index;
    this.#time = applied.time;
    if (this.#awaited.size > 0)
      for (const outcome of applied.outcomes) this.#settle(outcome);
    this.#listener?.(applied);
  }

  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    return { index: this.#index, chunks: this.#state.snapshotChunks() };
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const state = new State();
    const restore = state.restoreFrom();
    for await (const chunk of chunks) restore.push(chunk);
    restore.finish();
    this.#state = state;
    this.#index = state.view.index;
  }

  onApplied(listener: (applied: AppliedEntry) => void): void {
    this.#listener = listener;
  }

  /** Calls `settled` when the transaction's outcome is applied. Returns the way to stop waiting. */
  awaitOutcome(transactionId: string, settled: (outcome: Outcome) => void): () => void {
    this.#awaited.set(transactionId, settled);
    return () => this.#awaited.delete(transactionId);
  }

  #settle(outcome: Outcome): void {
    const settled = this.#awaited.get(outcome.transaction);
    if (settled === undefined) return;
    this.#awaited.delete(outcome.transaction);
    settled(outcome);
  }
}
