import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type AppliedEntry,
  decodeEntry,
  type EntryContent,
  type Outcome,
  State,
  type StateView,
  type Transaction,
} from '@shoal/state';
import type { Audit } from '../audit/audit.ts';
import type { StateMachine } from '../machine.ts';
import type { Entry } from '../types.ts';

/** The voter's own copy of the state: what its log drives, its snapshots, and its view of the leases. */
export class VoterMachine implements StateMachine {
  readonly #state = new State();
  readonly #awaited = new Map<string, (outcome: Outcome) => void>();
  /** Content of payloads that this voter proposed itself; gone once applied or given up. */
  readonly #known = new WeakMap<Uint8Array, EntryContent>();
  readonly #listeners: ((applied: AppliedEntry) => void)[] = [];
  readonly #restoring: ((before: StateView) => (after: StateView) => void)[] = [];
  readonly #audit: Audit | undefined;

  constructor(audit?: Audit) {
    this.#audit = audit;
  }

  get view(): StateView {
    return this.#state.view;
  }

  /** Time of the newest entry applied. */
  get time(): Instant {
    return this.#state.time;
  }

  apply(entry: Entry): void {
    const { time, transactions } =
      this.#known.get(entry.data) ?? decodeEntry(entry.index, entry.data);
    const applied = this.#state.applyTransactions(entry.index, time, transactions);
    // The log keeps the payload for its followers; the decoded form is not to live as long.
    this.#known.delete(entry.data);
    if (this.#awaited.size > 0) for (const outcome of applied.outcomes) this.#settle(outcome);
    for (const listener of this.#listeners) listener(applied);
    this.#audit?.applied(this.view, applied, transactions);
  }

  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    return this.#state.snapshot();
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const restore = this.#state.restore();
    for await (const chunk of chunks) restore.push(chunk);
    const restored = this.#restoring.map((listener) => listener(this.view));
    restore.finish();
    for (const listener of restored) listener(this.view);
    this.#audit?.restored(this.view.index);
  }

  async settle(): Promise<void> {
    await this.#audit?.settle();
  }

  /** `payload` is known to hold this; when it is applied it need not be decoded again. */
  know(payload: Uint8Array, time: Instant, transactions: readonly Transaction[]): void {
    this.#known.set(payload, { time, transactions });
  }

  onApplied(listener: (applied: AppliedEntry) => void): void {
    this.#listeners.push(listener);
  }

  /** Calls `listener` before a snapshot takes the place of the state, and what it gives back after it. */
  onRestoring(listener: (before: StateView) => (after: StateView) => void): void {
    this.#restoring.push(listener);
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
