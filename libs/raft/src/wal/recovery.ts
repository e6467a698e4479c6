import { basename, join } from 'node:path';
import type { Logger, LogIndex, Term } from '@shoal/runtime';
import type { RecordCipher } from '../cipher.ts';
import type { Disk } from '../disk/disk.ts';
import { CorruptStorageError } from '../storage.ts';
import type { Entry, HardState, SnapshotMeta } from '../types.ts';
import {
  alignment,
  decodeFrame,
  decodeSegmentHeader,
  type FrameContent,
  isFrameHeader,
  segmentHeaderBytes,
} from './frame.ts';
import { sequenceOf } from './segment-file.ts';

/** A segment that is not written any more. */
export interface SealedSegment {
  readonly path: string;
  readonly sequence: number;
  /** Number of the key it is encrypted with; 0 when it is plain. */
  readonly key: number;
  /** Highest index of an entry in it; 0 when there is none. */
  readonly last: LogIndex;
}

export interface RecoveredLog {
  readonly hardState: HardState | undefined;
  /** The entries after the snapshot, without gaps. */
  readonly entries: readonly Entry[];
  readonly segments: readonly SealedSegment[];
}

/**
 * Reads all segments. A torn last write is cut off and logged; anything else that fails its checks is
 * damage.
 * @throws CorruptStorageError naming file and byte offset.
 * @throws DiskError
 */
export async function recoverLog(
  disk: Disk,
  directory: string,
  snapshot: SnapshotMeta | undefined,
  cipher: RecordCipher | undefined,
  logger: Logger,
): Promise<RecoveredLog> {
  const names = (await disk.list(directory)).filter((name) => sequenceOf(name) !== undefined);
  checkNoneMissing(directory, names);
  const replay = new Replay(snapshot);
  const segments: SealedSegment[] = [];
  for (const [at, name] of names.entries()) {
    const path = join(directory, name);
    const last = at === names.length - 1;
    segments.push(await recoverSegment({ disk, path, isLast: last, replay, cipher, logger }));
  }
  return { ...replay.result(segments.at(-1)?.path ?? directory), segments };
}

async function recoverSegment({
  disk,
  path,
  isLast,
  replay,
  cipher,
  logger,
}: {
  readonly disk: Disk;
  readonly path: string;
  readonly isLast: boolean;
  readonly replay: Replay;
  readonly cipher: RecordCipher | undefined;
  readonly logger: Logger;
}): Promise<SealedSegment> {
  const file = await disk.open(path, 'write-durably');
  try {
    const bytes = await file.read(0, await file.size());
    const header = decodeSegmentHeader(bytes);
    if (header === undefined || header.sequence !== sequenceOf(basename(path)))
      throw new CorruptStorageError(path, 0, 'its segment header');
    let at = segmentHeaderBytes;
    let last = 0 as LogIndex;
    for (;;) {
      const frame = decodeFrame(bytes, { ...header, cipher }, at);
      if (frame.kind === 'frame') {
        last = replay.frame(frame.content, path, at, last);
        at = frame.end;
        if (frame.content.seal) break;
        continue;
      }
      if (frame.kind === 'closed') throw new CorruptStorageError(path, at, frame.reason);
      // Only the end of the whole log may be unfinished: it was cut in the middle of its last write.
      const torn = isLast && !hasFrameAfter(bytes, header.salt, at);
      if (at === bytes.length) break;
      if (!torn) {
        const what = frame.kind === 'invalid' ? frame.reason : 'a frame is missing';
        throw new CorruptStorageError(path, at, `${what} is wrong and the log goes on behind it`);
      }
      if (frame.kind === 'invalid') logger.warn({ file: path, offset: at }, 'log_torn_write_cut');
      await file.truncate(at);
      await file.sync();
      break;
    }
    return { path, sequence: header.sequence, key: header.key, last };
  } finally {
    await file.close();
  }
}

/** Frames are begun only when the one before is durable: one that follows proves that this one was. */
function hasFrameAfter(bytes: Buffer, salt: number, offset: number): boolean {
  for (let at = offset + alignment; at < bytes.length; at += alignment) {
    if (isFrameHeader(bytes, salt, at)) return true;
  }
  return false;
}

/** @throws CorruptStorageError when a segment between others is not there. */
function checkNoneMissing(directory: string, names: readonly string[]): void {
  for (const [at, name] of names.entries()) {
    const before = names[at - 1];
    if (before !== undefined && sequenceOf(before) !== (sequenceOf(name) ?? 0) - 1)
      throw new CorruptStorageError(join(directory, name), 0, 'the segment before it is missing');
  }
}

/** Puts the frames of all segments together into one log. */
class Replay {
  readonly #snapshot: LogIndex;
  readonly #snapshotTerm: Term;
  /** The snapshot's own index is in the log with another term: what follows is of a history it replaced. */
  #foreign = false;
  #entries: Entry[] = [];
  #hardState: HardState | undefined;

  constructor(snapshot: SnapshotMeta | undefined) {
    this.#snapshot = snapshot?.index ?? (0 as LogIndex);
    this.#snapshotTerm = snapshot?.term ?? (0 as Term);
  }

  /** Returns the highest entry index seen in the segment. */
  frame(content: FrameContent, path: string, offset: number, last: LogIndex): LogIndex {
    if (content.hardState !== undefined) this.#hardState = content.hardState;
    if (content.replaced > 0) {
      this.#entries = [];
      this.#foreign = false;
    }
    for (const entry of content.entries) {
      this.#entry(entry, path, offset);
      if (entry.index > last) last = entry.index;
    }
    return last;
  }

  result(path: string): { hardState: HardState | undefined; entries: readonly Entry[] } {
    // A crash came between the leader's snapshot and the first write after it.
    if (this.#foreign) this.#entries = [];
    const last = this.#entries.at(-1);
    const commit = this.#hardState?.commit ?? 0;
    const end = last?.index ?? this.#snapshot;
    if (commit > end)
      throw new CorruptStorageError(path, 0, `the log ends at ${end} but ${commit} was committed`);
    if (last !== undefined && last.term > (this.#hardState?.term ?? 0))
      throw new CorruptStorageError(path, 0, `term ${last.term} was never begun`);
    return { hardState: this.#hardState, entries: this.#entries };
  }

  #entry(entry: Entry, path: string, offset: number): void {
    if (entry.index <= this.#snapshot) {
      // The snapshot has this one, yet it replaced everything that stood at its index and after.
      this.#entries = [];
      if (entry.index === this.#snapshot) this.#foreign = entry.term !== this.#snapshotTerm;
      return;
    }
    const first = this.#entries[0]?.index ?? this.#snapshot + 1;
    const next = first + this.#entries.length;
    // What a snapshot from the leader replaced may leave a gap behind; the log begins anew after it.
    const begins = entry.index === this.#snapshot + 1;
    if (entry.index > next && !begins)
      throw new CorruptStorageError(path, offset, `entry ${entry.index} follows ${next - 1}`);
    if (begins) this.#entries = [];
    else if (entry.index < next) this.#entries.length = entry.index - first;
    this.#entries.push(entry);
  }
}
