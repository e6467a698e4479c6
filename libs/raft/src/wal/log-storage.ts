import { join } from 'node:path';
import { errorMessage, invariant, type Logger, type LogIndex, type Random } from '@shoal/runtime';
import type { RecordCipher } from '../cipher.ts';
import { type Disk, DiskError } from '../disk/disk.ts';
import {
  olderSnapshotsKept,
  openSnapshot,
  removeOlderSnapshots,
  type SnapshotOnDisk,
  snapshotIndexOf,
  snapshotNames,
  snapshotsIn,
  unfinishedNames,
  writeSnapshot,
} from '../snapshot/snapshot-file.ts';
import type { LogStorage, Recovered, StoreResult, StoreWork } from '../storage.ts';
import { CorruptStorageError } from '../storage.ts';
import type { HardState, SnapshotMeta } from '../types.ts';
import { lockDirectory } from './directory-lock.ts';
import { type RecoveredLog, recoverLog, type SealedSegment } from './recovery.ts';
import { prepareSpare, SegmentFile, segmentBytesDefault } from './segment-file.ts';

export interface LogStorageOptions {
  /** Folder of the log alone: nothing else may write there. Created with mode 0700. */
  readonly directory: string;
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
  /** Encrypts what is written. Absent: plain, as tests like to read it. */
  readonly cipher?: RecordCipher;
  /** Size of a segment; {@link segmentBytesDefault} when absent. */
  readonly segmentBytes?: number;
}

/**
 * Opens a voter's log on disk and recovers what it holds.
 * @throws CorruptStorageError naming file and offset; nothing is skipped.
 * @throws DirectoryLockedError when another live process has the directory.
 * @throws DiskError
 */
export async function openLogStorage(options: LogStorageOptions): Promise<LogStorage> {
  const { directory, disk, logger } = options;
  await disk.makeDirectory(directory);
  const unlock = await lockDirectory(disk, directory);
  try {
    for (const name of unfinishedNames(await disk.list(directory)))
      await disk.remove(join(directory, name));
    const { log, snapshot, path } = await recover(options);
    const { segments, ...rest } = log;
    logger.info(
      {
        directory,
        segments: segments.length,
        entries: rest.entries.length,
        snapshot: snapshot?.index ?? 0,
      },
      'log_recovered',
    );
    const found = { path, segments, snapshots: await snapshotsIn(disk, directory) };
    return new SegmentedLog(options, { ...rest, snapshot }, found, unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** The newest snapshot that is whole, if the log goes on from it. */
async function recover({ directory, disk, logger, cipher }: LogStorageOptions): Promise<{
  log: RecoveredLog;
  snapshot: SnapshotMeta | undefined;
  path: string | undefined;
}> {
  let damage: CorruptStorageError | undefined;
  let reach = 0;
  for (const name of snapshotNames(await disk.list(directory))) {
    const path = join(directory, name);
    const snapshot = await readWhole(disk, path, cipher);
    if (snapshot instanceof CorruptStorageError) {
      const { file, offset, message } = snapshot;
      logger.error({ file, offset, reason: message }, 'snapshot_damaged');
      damage ??= snapshot;
      reach = Math.max(reach, snapshotIndexOf(name));
      continue;
    }
    try {
      const log = await recoverLog(disk, directory, snapshot, cipher, logger);
      // Ending before the damaged one, the log has lost what that one held.
      if ((log.entries.at(-1)?.index ?? snapshot.index) < reach) throw damage;
      return { log, snapshot, path };
    } catch (error) {
      // An older snapshot does only if the log still holds everything after it.
      throw damage ?? error;
    }
  }
  if (damage !== undefined) throw damage;
  const log = await recoverLog(disk, directory, undefined, cipher, logger);
  return { log, snapshot: undefined, path: undefined };
}

/** What the snapshot says of itself, once every byte of it has passed its checks. */
async function readWhole(
  disk: Disk,
  path: string,
  cipher: RecordCipher | undefined,
): Promise<SnapshotMeta | CorruptStorageError> {
  try {
    const { meta, chunks } = await openSnapshot(disk, path, cipher);
    for await (const _ of chunks());
    return meta;
  } catch (error) {
    if (error instanceof CorruptStorageError) return error;
    throw error;
  }
}

/** The files at opening. */
interface Found {
  /** Of the snapshot that is recovered from. */
  readonly path: string | undefined;
  readonly segments: readonly SealedSegment[];
  readonly snapshots: readonly SnapshotOnDisk[];
}

/** A log in segments; see `frame.ts` for what is in them. */
class SegmentedLog implements LogStorage {
  readonly recovered: Recovered;
  readonly #options: LogStorageOptions;
  readonly #snapshotPath: string | undefined;
  readonly #unlock: () => Promise<void>;
  readonly #segmentBytes: number;
  /** Segments no longer written, oldest first. */
  readonly #sealed: SealedSegment[];
  #snapshots: readonly SnapshotOnDisk[];
  #active: SegmentFile | undefined;
  #activeLast = 0 as LogIndex;
  #hardState: HardState | undefined;
  #sequence: number;
  /** A write failed: what is behind the last good frame is unknown. */
  #suspect = false;
  #storing = false;
  /** Ends with the last of those that write to a segment: one at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  #cipher: RecordCipher | undefined;
  #snapshotsKept = olderSnapshotsKept;
  /** A leader's snapshot up to here is on the disk, and no write has said so yet. */
  #replaced = 0 as LogIndex;
  #spare: Promise<void> | undefined;
  #preparedBehind = 0;

  constructor(
    options: LogStorageOptions,
    recovered: Recovered,
    { path, segments, snapshots }: Found,
    unlock: () => Promise<void>,
  ) {
    this.#options = options;
    this.#cipher = options.cipher;
    this.#segmentBytes = options.segmentBytes ?? segmentBytesDefault;
    this.recovered = recovered;
    this.#snapshotPath = path;
    this.#sealed = [...segments];
    this.#snapshots = snapshots;
    this.#sequence = segments.at(-1)?.sequence ?? 0;
    this.#hardState = recovered.hardState;
    this.#unlock = unlock;
  }

  async store(work: StoreWork): Promise<StoreResult> {
    invariant(!this.#storing, 'calls of store are made one at a time');
    this.#storing = true;
    try {
      return await this.#inTurn(() => this.#store(work));
    } finally {
      this.#storing = false;
    }
  }

  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const written = this.#turn.then(write);
    this.#turn = written.catch(() => undefined);
    return written;
  }

  async #store(work: StoreWork): Promise<StoreResult> {
    try {
      const segment = this.#fitting(work) ?? (await this.#segmentFor(work));
      this.#suspect = true;
      const replaced = this.#replaced;
      await segment.append({ ...work, replaced });
      this.#suspect = false;
      if (this.#replaced === replaced) this.#replaced = 0 as LogIndex;
      this.#hardState = work.hardState ?? this.#hardState;
      const last = work.entries.at(-1)?.index ?? 0;
      if (last > this.#activeLast) this.#activeLast = last as LogIndex;
      if (segment.isHalfFull) this.#prepareAhead(segment);
      return { kind: 'stored' };
    } catch (error) {
      // Cut at once if the disk lets us: a process that dies now must not find the refused write again.
      if (this.#suspect) await this.#active?.cut().catch(() => undefined);
      return this.#refused(error);
    }
  }

  async saveSnapshot(
    meta: SnapshotMeta,
    chunks: AsyncIterable<Uint8Array>,
    replacing?: 'replacing',
  ): Promise<StoreResult> {
    const { disk, directory } = this.#options;
    let name: string;
    try {
      name = await writeSnapshot(disk, directory, meta, chunks, this.#cipher);
    } catch (error) {
      return this.#refused(error);
    }
    if (replacing !== undefined) this.#replaced = meta.index;
    await this.#removeOlder(name);
    return { kind: 'stored' };
  }

  /** The newest is durable whatever becomes of the older ones. */
  async #removeOlder(newest: string): Promise<void> {
    const { disk, directory, logger } = this.#options;
    try {
      const bounds = { kept: this.#snapshotsKept, current: this.#currentKey };
      this.#snapshots = await removeOlderSnapshots(disk, directory, newest, bounds, logger);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      logger.warn({ code: error.code, reason: error.message }, 'snapshots_not_listed');
    }
  }

  async *readSnapshot(): AsyncIterable<Uint8Array> {
    if (this.#snapshotPath === undefined) return;
    const { disk, cipher } = this.#options;
    const { chunks } = await openSnapshot(disk, this.#snapshotPath, cipher);
    yield* chunks();
  }

  async compact(upTo: LogIndex): Promise<StoreResult> {
    const { disk, directory } = this.#options;
    try {
      await this.#inTurn(() => this.#leaveOlderKey());
      // The segment after it repeats the hard state; without one, it is still needed.
      const followed = this.#active === undefined ? this.#sealed.slice(0, -1) : [...this.#sealed];
      const kept = followed.findIndex(({ last }) => last > upTo);
      const gone = kept < 0 ? followed : followed.slice(0, kept);
      for (const { path } of gone) await disk.remove(path);
      await disk.syncDirectory(directory);
      // Only then: who hears that no file needs a key throws it away.
      this.#sealed.splice(0, gone.length);
      return { kind: 'stored' };
    } catch (error) {
      return this.#refused(error);
    }
  }

  keepSnapshots(older: number): void {
    this.#snapshotsKept = Math.max(older, olderSnapshotsKept);
  }

  rotate(cipher: RecordCipher): void {
    this.#cipher = cipher;
  }

  get outdated(): LogIndex | undefined {
    let outdated: LogIndex | undefined;
    for (const { key, last } of [...this.#snapshots, ...this.#segments()])
      if (key < this.#currentKey && last >= (outdated ?? 0)) outdated = last;
    return outdated;
  }

  async oldestKey(): Promise<number> {
    const { disk, directory } = this.#options;
    const files = [...(await snapshotsIn(disk, directory)), ...this.#segments()];
    return Math.min(...files.map(({ key }) => key), this.#currentKey);
  }

  /** Number of the key that seals what is new; 0 when nothing is sealed. */
  get #currentKey(): number {
    return this.#cipher?.current ?? 0;
  }

  /** Oldest first. */
  #segments(): readonly { readonly key: number; readonly last: LogIndex }[] {
    const active = this.#active;
    return active === undefined
      ? this.#sealed
      : [...this.#sealed, { key: active.key, last: this.#activeLast }];
  }

  async probe(): Promise<boolean> {
    if (this.#storing) return false;
    this.#storing = true;
    try {
      return await this.#inTurn(() => this.#probe());
    } finally {
      this.#storing = false;
    }
  }

  async #probe(): Promise<boolean> {
    try {
      const hardState = this.#hardState;
      const segment = await this.#segmentFor({ hardState, entries: [] });
      if (hardState === undefined) return true;
      this.#suspect = true;
      await segment.append({ hardState, entries: [] });
      this.#suspect = false;
      return true;
    } catch (error) {
      this.#refused(error);
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#spare;
    await this.#active?.close();
    this.#active = undefined;
    await this.#unlock();
  }

  /** The segment that is written, if the work may go there. */
  #fitting(work: StoreWork): SegmentFile | undefined {
    const active = this.#active;
    const fits = active?.key === this.#currentKey && !this.#suspect && active.hasRoomFor(work);
    return fits ? active : undefined;
  }

  /** The segment to write to, a new one where needed. @throws DiskError */
  async #segmentFor(work: StoreWork): Promise<SegmentFile> {
    const fitting = this.#fitting(work);
    if (fitting !== undefined) return fitting;
    const active = this.#active;
    if (active !== undefined) await this.#retire(active);
    await this.#spare;
    const { disk, directory, random } = this.#options;
    const next = await SegmentFile.begin({
      disk,
      directory,
      random,
      sequence: this.#sequence + 1,
      bytes: this.#segmentBytes,
      hardState: this.#hardState,
      cipher: this.#cipher,
    });
    this.#sequence += 1;
    this.#active = next;
    this.#activeLast = 0 as LogIndex;
    return next;
  }

  /** The newest segment never goes: it must not be one under an older key. @throws DiskError */
  async #leaveOlderKey(): Promise<void> {
    const newest = this.#segments().at(-1);
    if (newest === undefined || newest.key === this.#currentKey) return;
    await this.#segmentFor({ hardState: this.#hardState, entries: [] });
  }

  async #retire(active: SegmentFile): Promise<void> {
    // After a failed write, half a frame may stand where the next one would have gone.
    if (this.#suspect) await active.cut();
    this.#suspect = true;
    await active.append({ hardState: undefined, entries: [] }, true);
    this.#suspect = false;
    this.#active = undefined;
    const { path, sequence, key } = active;
    this.#sealed.push({ path, sequence, key, last: this.#activeLast });
    await active.close();
  }

  /** Takes the space for the next segment while this one is still being filled; tried once a segment. */
  #prepareAhead(segment: SegmentFile): void {
    if (this.#preparedBehind === segment.sequence) return;
    this.#preparedBehind = segment.sequence;
    const { disk, directory, logger } = this.#options;
    this.#spare = prepareSpare(disk, directory, this.#segmentBytes).catch((error: unknown) => {
      logger.warn({ reason: errorMessage(error) }, 'log_no_space_ahead');
    });
  }

  #refused(error: unknown): StoreResult {
    if (!(error instanceof DiskError)) throw error;
    const message = `the log cannot be written in ${this.#options.directory}: ${explain(error)}`;
    this.#options.logger.error({ code: error.code, reason: error.message }, 'log_write_refused');
    return { kind: 'failed', error: { kind: 'refused', message } };
  }
}

function explain({ code, message }: DiskError): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'no space left on the disk; free some and writes go on by themselves';
    case 'EROFS':
      return 'the file system is read-only';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    default:
      return message;
  }
}
