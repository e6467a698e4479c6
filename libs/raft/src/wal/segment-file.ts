import { join } from 'node:path';
import type { Random } from '@shoal/runtime';
import type { RecordCipher } from '../cipher.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import type { HardState } from '../types.ts';
import {
  encodeFrame,
  encodeSegmentHeader,
  type FrameScope,
  type FrameWork,
  segmentHeaderBytes,
} from './frame.ts';

/** Size of a segment unless told otherwise, taken ahead so that no write has to extend the file. */
export const segmentBytesDefault = 16 * 1024 * 1024;
const fillChunkBytes = 1024 * 1024;
const suffix = '.wal';
const spareName = 'spare';

function segmentName(sequence: number): string {
  return `${sequence.toString(16).padStart(16, '0')}${suffix}`;
}

/** Undefined for files that are no segments. */
export function sequenceOf(name: string): number | undefined {
  const match = /^([0-9a-f]{16})\.wal$/.exec(name);
  return match?.[1] === undefined ? undefined : Number.parseInt(match[1], 16);
}

export interface SegmentStart {
  readonly disk: Disk;
  readonly directory: string;
  readonly sequence: number;
  /** Space to take ahead. */
  readonly bytes: number;
  readonly random: Random;
  readonly hardState: HardState | undefined;
  /** Absent: the segment is plain. */
  readonly cipher: RecordCipher | undefined;
}

/** The segment that is being written. Calls of `append` are made one at a time. */
export class SegmentFile {
  readonly path: string;
  readonly sequence: number;
  readonly #scope: FrameScope;
  readonly #file: DiskFile;
  readonly #bytes: number;
  #end = segmentHeaderBytes;

  private constructor(start: SegmentStart, path: string, scope: FrameScope, file: DiskFile) {
    this.path = path;
    this.sequence = start.sequence;
    this.#bytes = start.bytes;
    this.#scope = scope;
    this.#file = file;
  }

  /**
   * Begins a segment, which repeats the hard state so that older segments can go.
   * @throws DiskError
   */
  static async begin(start: SegmentStart): Promise<SegmentFile> {
    const { disk, directory, sequence, bytes, hardState } = start;
    const salt = Buffer.from(start.random.bytes(4)).readUInt32LE(0);
    const spare = join(directory, spareName);
    if (!(await disk.list(directory)).includes(spareName))
      await prepareSpare(disk, directory, bytes);
    const path = join(directory, segmentName(sequence));
    const file = await disk.open(spare, 'write-durably');
    const { cipher } = start;
    const scope = { salt, sequence, key: cipher?.current ?? 0, cipher };
    const segment = new SegmentFile(start, path, scope, file);
    try {
      await file.write(encodeSegmentHeader(scope), 0);
      if (hardState !== undefined) await segment.append({ hardState, entries: [] });
      await disk.rename(spare, path);
      await disk.syncDirectory(directory);
    } catch (error) {
      await file.close();
      // What was written of it may be half: the next try begins with a fresh one.
      await disk.remove(spare).catch(() => undefined);
      throw error;
    }
    return segment;
  }

  /** Number of the key it is encrypted with; 0 when it is plain. */
  get key(): number {
    return this.#scope.key;
  }

  /** Whether `work` may still go here. A work larger than a segment goes into one of its own. */
  hasRoomFor(work: FrameWork): boolean {
    const bytes = work.entries.reduce((sum, entry) => sum + entry.data.length + 32, 128);
    return this.#end + bytes <= this.#bytes || this.#end < this.#bytes / 16;
  }

  /** True once it is time to prepare the next segment. */
  get isHalfFull(): boolean {
    return this.#end > this.#bytes / 2;
  }

  /**
   * One write, durable when it resolves. After it throws, what is on the disk behind the last good
   * frame is unknown: nothing may be appended before {@link cut}.
   * @throws DiskError
   */
  async append(work: FrameWork, seal = false): Promise<void> {
    const frame = encodeFrame(work, this.#scope, this.#end, seal);
    await this.#file.write(frame, this.#end);
    this.#end += frame.length;
  }

  /** Ends the file behind the last good frame. @throws DiskError */
  async cut(): Promise<void> {
    await this.#file.truncate(this.#end);
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Takes the space of a segment ahead: written, not only promised. @throws DiskError */
export async function prepareSpare(disk: Disk, directory: string, bytes: number): Promise<void> {
  const temporary = join(directory, `${spareName}.tmp`);
  const file = await disk.open(temporary, 'create');
  try {
    const zeros = Buffer.alloc(Math.min(fillChunkBytes, bytes));
    for (let at = 0; at < bytes; at += zeros.length) await file.write(zeros, at);
    await file.sync();
  } catch (error) {
    await file.close();
    // A file that fills the disk and holds nothing helps nobody.
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  await disk.rename(temporary, join(directory, spareName));
  await disk.syncDirectory(directory);
}
