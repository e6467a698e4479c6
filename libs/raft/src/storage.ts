import type { LogIndex } from '@shoal/runtime';
import type { RecordCipher } from './cipher.ts';
import type { Entry, HardState, SnapshotMeta } from './types.ts';

/** Why the disk did not take a write, or what is wrong with what it holds. */
export type StorageError =
  /** No space, no permission, read-only, I/O error: nothing more is written until it is cured. */
  | { readonly kind: 'refused'; readonly message: string }
  /** A record that fails its checks and is not a torn tail. Never skipped. */
  | {
      readonly kind: 'corrupt';
      readonly file: string;
      readonly offset: number;
      readonly message: string;
    };

export type StoreResult =
  | { readonly kind: 'stored' }
  | { readonly kind: 'failed'; readonly error: StorageError };

/** One durable write: the entries (replacing any at or after the first one's index) and the hard state. */
export interface StoreWork {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}

/** What a voter finds when it opens its storage. */
export interface Recovered {
  readonly hardState: HardState | undefined;
  /** Newest complete snapshot; its content comes from {@link LogStorage.readSnapshot}. */
  readonly snapshot: SnapshotMeta | undefined;
  /** All entries after the snapshot, without gaps. */
  readonly entries: readonly Entry[];
}

/** A voter's disk. One writer; calls of `store` are made one at a time. */
export interface LogStorage {
  /** What was found at opening. */
  readonly recovered: Recovered;
  /** Resolves when the work is durable (one write and one flush for all of it). */
  store(work: StoreWork): Promise<StoreResult>;
  /**
   * Writes a snapshot beside the log; durable and complete when it resolves. Then older segments may go.
   * `replacing`: it is a leader's, and no entry written before it counts any more.
   */
  saveSnapshot(
    meta: SnapshotMeta,
    chunks: AsyncIterable<Uint8Array>,
    replacing?: 'replacing',
  ): Promise<StoreResult>;
  /** Content of the snapshot in `recovered`, checked as it is read; throws {@link CorruptStorageError}. */
  readSnapshot(): AsyncIterable<Uint8Array>;
  /** Drops entries up to `index` that a durable snapshot covers; keeps whole segments at least. */
  compact(upTo: LogIndex): Promise<StoreResult>;
  /** From now on so many complete snapshots, and one at least, stay beside the newest while they are under its key. */
  keepSnapshots(older: number): void;
  /** From now on everything new is encrypted by this cipher's newest key. */
  rotate(cipher: RecordCipher): void;
  /** Something is under an older key than the newest: it goes with a snapshot at this index or after. */
  readonly outdated: LogIndex | undefined;
  /** Lowest number of a key that something on the disk still needs; 0 when something is plain. */
  oldestKey(): Promise<number>;
  /** After a refused write: true once a probe write succeeds again. */
  probe(): Promise<boolean>;
  close(): Promise<void>;
}

/** Thrown by reads that meet a damaged file; the process stops with this message. */
export class CorruptStorageError extends Error {
  override readonly name = 'CorruptStorageError';
  readonly file: string;
  readonly offset: number;

  constructor(file: string, offset: number, what: string) {
    super(`${file} is damaged at byte ${offset}: ${what}`);
    this.file = file;
    this.offset = offset;
  }
}
