import {
  type Clock,
  invariant,
  type Logger,
  type LogIndex,
  pause,
  type Timer,
} from '@shoal/runtime';
import type { Raft } from '../core/state.ts';
import type { StateMachine } from '../machine.ts';
import type { LogStorage, StoreResult } from '../storage.ts';
import type { SnapshotMeta } from '../types.ts';
import type { RaftOptions } from './options.ts';

/** What `docker swarm update` says of snapshots. 0 leaves it as it is. */
export interface SnapshotHabit {
  readonly entries: number;
  readonly older: number;
  readonly forFollowers: number;
}

/** Ends the reading of an image when the node stops. */
class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

/**
 * Takes a snapshot every so many entries, and when something on the disk is under an older key; a piece at
 * a time while entries are applied.
 */
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
  #kept: number;
  /** Bytes of the log that were left in memory by the newest snapshot. */
  #bytesLeft = 0;
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
    this.#kept = parts.options.entriesKeptForFollowers;
    this.#compacted = compacted;
    this.#newest = parts.raft.log.base.index;
  }

  /** Index of the newest durable snapshot, 0 without one. */
  get newest(): LogIndex {
    return this.#newest;
  }

  /** Time for a snapshot? Asked when entries were applied, and when the disk may have become outdated. */
  takeIfDue(): void {
    if (this.#running !== undefined || this.#retry !== undefined || this.#stopped) return;
    if (this.#raft.installing !== undefined || !this.#isDue()) return;
    this.#running = this.#take()
      .finally(() => {
        this.#running = undefined;
      })
      .then(() => {
        // The key was replaced meanwhile.
        if (this.#isOutdated()) this.#lookLater();
      });
  }

  #isDue(): boolean {
    const { applied, log } = this.#raft;
    if (applied - this.#newest >= this.#every || this.#isOutdated()) return true;
    // A snapshot of a leader's has replaced all of it, or what was never committed was cut off.
    this.#bytesLeft = Math.min(this.#bytesLeft, log.bytes);
    const bytes = log.bytes - this.#bytesLeft;
    return bytes >= this.#options.snapshotIntervalBytes && applied > this.#newest;
  }

  /** Something is under an older key, and a snapshot would replace all of it. */
  #isOutdated(): boolean {
    const { outdated } = this.#storage;
    const { applied } = this.#raft;
    return outdated !== undefined && applied >= outdated && applied > 0;
  }

  /** From now on a snapshot is taken every so many entries. */
  every(entries: number): void {
    invariant(entries > 0, 'snapshots are taken now and then', { entries });
    this.#every = entries;
  }

  /** At least so many entries before a snapshot stay for followers that lag, if they are not too large. */
  keep(entries: number): void {
    this.#kept = Math.max(entries, this.#options.entriesKeptForFollowers);
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
    const { index: seen, chunks } = this.#machine.snapshot();
    // The machine sees no empty entries, which change nothing: its image is that of all that was applied.
    const index = this.#raft.applied;
    invariant(seen <= index, 'an image of what was applied', { seen, index });
    const term = this.#raft.log.termAt(index);
    invariant(term !== undefined, 'an image of what is in the log', { index });
    const startedAt = this.#clock.monotonic();
    const { membership } = this.#raft.memberships.at(index);
    await this.#machine.settle?.();
    const saved = await this.#save({ index, term, membership }, chunks);
    if (this.#stopped || saved === undefined) return;
    const done = saved.kind === 'stored' ? await this.#storage.compact(index) : saved;
    if (saved.kind === 'stored') {
      this.installed(index);
      const { bytesKeptForFollowers } = this.#options;
      this.#compacted(this.#raft.log.floorOf(index, this.#kept, bytesKeptForFollowers));
      this.#bytesLeft = this.#raft.log.bytes;
    }
    if (done.kind === 'failed') {
      this.#logger.warn({ ...done.error }, 'log_snapshot_failed');
      this.#lookLater();
    }
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
      await pause(this.#clock, 0);
      if (this.#stopped) throw new StoppedError('the node stops');
    }
  }

  #lookLater(): void {
    if (this.#retry !== undefined || this.#stopped) return;
    this.#retry = this.#clock.after(this.#options.snapshotRetryMs, () => {
      this.#retry = undefined;
      this.takeIfDue();
    });
  }
}
