import { type Clock, invariant, type Logger, type LogIndex, type Timer } from '@shoal/runtime';
import type { Raft } from '../core/state.ts';
import type { StateMachine } from '../machine.ts';
import type { LogStorage, StoreResult } from '../storage.ts';
import type { SnapshotMeta } from '../types.ts';
import type { RaftOptions } from './options.ts';

/** Ends the reading of an image when the node stops. */
class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

/** Takes a snapshot every so many entries, a piece at a time while entries are applied. */
export class Snapshots {
  readonly #raft: Raft;
  readonly #storage: LogStorage;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: RaftOptions;
  readonly #compacted: (upTo: LogIndex) => void;
  #newest: LogIndex;
  #every: number;
  #running: Promise<void> | undefined;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(
    parts: {
      raft: Raft;
      storage: LogStorage;
      machine: StateMachine;
      clock: Clock;
      logger: Logger;
      options: RaftOptions;
    },
    compacted: (upTo: LogIndex) => void,
  ) {
    this.#raft = parts.raft;
    this.#storage = parts.storage;
    this.#machine = parts.machine;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#options = parts.options;
    this.#every = parts.options.snapshotIntervalEntries;
    this.#compacted = compacted;
    this.#newest = parts.raft.log.base.index;
  }

  /** Index of the newest durable snapshot, 0 without one. */
  get newest(): LogIndex {
    return this.#newest;
  }

  /** Entries were applied: time for a snapshot? */
  applied(): void {
    if (this.#running !== undefined || this.#retry !== undefined || this.#stopped) return;
    if (this.#raft.installing !== undefined) return;
    if (this.#raft.applied - this.#newest < this.#every) return;
    this.#running = this.#take().finally(() => {
      this.#running = undefined;
    });
  }

  /** From now on a snapshot is taken every so many entries. */
  every(entries: number): void {
    invariant(entries > 0, 'snapshots are taken now and then', { entries });
    this.#every = entries;
  }

  /** A leader's snapshot was saved and restored. */
  installed(index: LogIndex): void {
    if (index > this.#newest) this.#newest = index;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await this.#running;
  }

  async #take(): Promise<void> {
    const { index, chunks } = this.#machine.snapshot();
    // The machine sees no empty entries: its index may lag behind what the core calls applied.
    invariant(index <= this.#raft.applied, 'an image of what was applied', { index });
    if (index <= this.#newest) return;
    const term = this.#raft.log.termAt(index);
    invariant(term !== undefined, 'an image of what is in the log', { index });
    const startedAt = this.#clock.monotonic();
    const { membership } = this.#raft.memberships.at(index);
    const saved = await this.#save({ index, term, membership }, chunks);
    if (this.#stopped || saved === undefined) return;
    const done = saved.kind === 'stored' ? await this.#storage.compact(index) : saved;
    if (saved.kind === 'stored') {
      this.installed(index);
      const kept = index - this.#options.entriesKeptForFollowers;
      this.#compacted(Math.max(kept, this.#raft.log.base.index) as LogIndex);
    }
    if (done.kind === 'failed') this.#retryLater({ ...done.error });
    const tookMs = Math.round(this.#clock.monotonic() - startedAt);
    this.#logger.info({ index, tookMs, result: done.kind }, 'log_snapshot');
  }

  /** `undefined` when the node stops meanwhile. */
  async #save(meta: SnapshotMeta, chunks: Iterable<Uint8Array>): Promise<StoreResult | undefined> {
    try {
      return await this.#storage.saveSnapshot(meta, this.#lazily(chunks));
    } catch (thrown) {
      if (thrown instanceof StoppedError) return undefined;
      throw thrown;
    }
  }

  /** Lets everything else run between two pieces. */
  async *#lazily(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      yield chunk;
      await new Promise<void>((resolve) => this.#clock.after(0, resolve));
      if (this.#stopped) throw new StoppedError('the node stops');
    }
  }

  #retryLater(fields: object): void {
    this.#logger.warn(fields, 'log_snapshot_failed');
    this.#retry = this.#clock.after(this.#options.snapshotRetryMs, () => {
      this.#retry = undefined;
      this.applied();
    });
  }
}
