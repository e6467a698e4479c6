import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { Applier } from './applier.ts';
import { StateFormatError } from './codec/format.ts';
import { decodePayload } from './codec/payload.ts';
import { encodeSnapshot, type Restored, SnapshotReader } from './codec/snapshot.ts';
import { decodeLogged } from './codec/transaction-json.ts';
import { StateTables } from './tables/state-tables.ts';
import { viewOf } from './tables/view-of.ts';
import type { AppliedEntry, Transaction } from './transaction.ts';
import type { StateView } from './view.ts';
import { Watchers, type WatchListener, type WatchSelector } from './watchers.ts';

/** One entry of the log, decoded. */
export interface EntryContent {
  readonly time: Instant;
  readonly transactions: readonly Transaction[];
}

/** Rebuilds the state from a snapshot; the old state stands until `finish`. */
export interface Restore {
  /** Chunks in order, cut anywhere. @throws StateFormatError */
  push(chunk: Uint8Array): void;
  /** Puts the new state in place of the old. @throws StateFormatError when the snapshot is not whole. */
  finish(): void;
}

/**
 * The replicated state machine. Deterministic: the same entries in the same order give the same
 * state, outcomes and iteration orders on every replica, also after a snapshot in between.
 */
export class State {
  /** Always this state as it is now, also after a restore. */
  readonly view: StateView;
  readonly #watchers = new Watchers();
  #tables = new StateTables();
  #applier = new Applier(this.#tables);
  #index = 0 as LogIndex;
  #time = 0 as Instant;

  constructor() {
    this.view = viewOf(
      () => this.#index,
      () => this.#time,
      () => this.#tables,
    );
  }

  /** Wall clock of the newest entry with content; 0 before the first. */
  get time(): Instant {
    return this.#time;
  }

  /**
   * Applies the entry at `index`; `payload` is an `EntryPayload`, as `encodePayload` makes it.
   * @throws StateFormatError when the payload is of an unknown schema or malformed. The log has
   * checked what it accepted, so the replica must stop: going on would let it differ from others.
   */
  apply(index: LogIndex, payload: Uint8Array): AppliedEntry {
    const { time, transactions } = decodeEntry(index, payload);
    return this.applyTransactions(index, time, transactions);
  }

  /** Applies a decoded entry at `index`. The transactions are not changed and may be shared. */
  applyTransactions(
    index: LogIndex,
    time: Instant,
    transactions: readonly Transaction[],
  ): AppliedEntry {
    this.advance(index);
    this.#time = time;
    const entry = this.#applier.apply(index, time, transactions);
    this.#watchers.tell(entry);
    return entry;
  }

  /** An entry without content went by, such as a leader's first of its term. */
  advance(index: LogIndex): void {
    invariant(index > this.#index, 'an entry is applied twice or out of order', {
      index,
      applied: this.#index,
    });
    this.#index = index;
  }

  /** An image of the state as it is now. Its chunks are made lazily, while later entries are applied. */
  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    const chunks = encodeSnapshot(this.#tables, this.#index, this.#time);
    return { index: this.#index, chunks };
  }

  /** Begins to replace the whole state. Watchers stay, and hear nothing of the replacement itself. */
  restore(): Restore {
    const reader = new SnapshotReader();
    return {
      push: (chunk) => reader.push(chunk),
      finish: () => this.#replace(reader.finish()),
    };
  }

  /**
   * Calls `listener` for every committed change that matches, in order, once the whole entry is in
   * the state. Returns the way to stop.
   * @throws CataloguedError `exhausted` beyond `watchersMax` watchers.
   */
  watch(selector: WatchSelector, listener: WatchListener): () => void {
    return this.#watchers.add(selector, listener);
  }

  #replace({ tables, adoption, index, time }: Restored): void {
    this.#tables = tables;
    this.#applier = new Applier(tables, adoption);
    this.#index = index;
    this.#time = time;
  }
}

/** What an entry of the log holds. @throws StateFormatError as {@link State.apply} does */
export function decodeEntry(index: LogIndex, payload: Uint8Array): EntryContent {
  const decoded = decodePayload(payload);
  if (decoded.kind !== 'ok')
    throw new StateFormatError(decoded.kind, `entry ${index}: ${decoded.message}`);
  const { time, transactions } = decoded;
  return { time, transactions: transactions.map((bytes) => transactionOf(index, bytes)) };
}

function transactionOf(index: LogIndex, bytes: Uint8Array): Transaction {
  const decoded = decodeLogged(bytes);
  if (decoded.kind === 'ok') return decoded.transaction;
  throw new StateFormatError('malformed', `entry ${index}: ${decoded.message}`);
}
