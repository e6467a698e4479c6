import { type Clock, errorMessage, type Logger, type LogIndex, type Timer } from '@shoal/runtime';
import { type AppliedEntry, auditRecords, type StateView, type Transaction } from '@shoal/state';
import { type Disk, DiskError, type DiskFile } from '../disk/disk.ts';
import type { Audit } from './audit.ts';
import {
  chainAfter,
  chained,
  chainStart,
  type Line,
  lineText,
  lineThrough,
  readLine,
  unchained,
} from './line.ts';
import {
  auditBytesMax,
  listSegments,
  readSegment,
  type Segment,
  segmentBytes,
  segmentOf,
} from './segments.ts';

/** What was noted is on the disk so much later, milliseconds; a disk that refused is tried again after the second. */
const flushMs = 250;
const retryMs = 5_000;
/** What waits for a disk that refuses; then it is dropped, and the audit says what is missing. */
const waitingBytesMax = 8 << 20;

interface JournalOptions {
  /** Of this swarm alone. Made if missing. */
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For tests; what all files may have, bytes. */
  readonly bytesMax?: number | undefined;
  readonly segmentBytes?: number | undefined;
}

interface Waiting {
  readonly text: string;
  readonly through: number;
}

/** How far the durable part goes. */
interface Written {
  readonly chain: string;
  readonly through: number;
}

interface OpenSegment {
  readonly number: number;
  readonly file: DiskFile;
  readonly bytes: number;
}

/**
 * Who changed what, in files of lines beside the log: written as entries are applied, kept when the log forgets them.
 * After a restart it goes on where the files end, for the log applies again what no snapshot holds, and no snapshot is
 * taken of what is not on the disk here. It never holds the log up: what a full disk refuses is tried again, and named
 * as missing when it gets too much.
 */
export class AuditJournal implements Audit {
  readonly #options: JournalOptions;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Of the newest entry that was looked at. */
  #through: number;
  #written: Written;
  #open: OpenSegment | undefined;
  #timer: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Since the start. */
  #records = 0;
  #failures = 0;

  private constructor(options: JournalOptions, written: Written, open: OpenSegment | undefined) {
    this.#options = options;
    this.#written = written;
    this.#through = written.through;
    this.#open = open;
  }

  /** @throws DiskError when the files there cannot be read. */
  static async open(options: JournalOptions): Promise<AuditJournal> {
    const { disk, directory } = options;
    await disk.makeDirectory(directory);
    const segments = [...(await listSegments(disk, directory))];
    let newest = segments.pop();
    while (newest !== undefined) {
      const end = await endOf(disk, newest, options.logger);
      if (end !== undefined) return new AuditJournal(options, end.written, end.open);
      // Begun, and never given its first line.
      await disk.remove(newest.path);
      newest = segments.pop();
    }
    return new AuditJournal(options, { chain: chainStart, through: 0 }, undefined);
  }

  /** Records since the start, and writes that the disk refused. */
  get figures(): { readonly records: number; readonly failures: number } {
    return { records: this.#records, failures: this.#failures };
  }

  applied(view: StateView, applied: AppliedEntry, transactions: readonly Transaction[]): void {
    if (applied.index <= this.#through) return;
    this.#through = applied.index;
    for (const record of auditRecords(view, applied, transactions)) {
      this.#records += 1;
      this.#add({ kind: 'record', record });
    }
  }

  restored(index: LogIndex): void {
    if (index <= this.#through) return;
    const gap = { kind: 'gap', after: this.#through, through: index } as const;
    this.#through = index;
    this.#add(gap);
  }

  settle(): Promise<void> {
    const through = this.#waiting.at(-1)?.through ?? this.#written.through;
    if (this.#through > through) this.#add({ kind: 'through', through: this.#through });
    return this.flush();
  }

  /** Resolves when what was noted is on the disk, or the disk has refused it. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#flushing = this.#flushing.then(() => this.#writeWaiting());
    return this.#flushing;
  }

  async stop(): Promise<void> {
    await this.settle();
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#open?.file.close();
    this.#open = undefined;
  }

  #add(line: Line): void {
    const text = lineText(line);
    this.#waitingBytes += text.length;
    this.#waiting.push({ text, through: lineThrough(line) });
    if (this.#waitingBytes > waitingBytesMax) this.#dropWaiting();
    this.#flushAfter(flushMs);
  }

  #dropWaiting(): void {
    const gap = { kind: 'gap', after: this.#written.through, through: this.#through } as const;
    this.#options.logger.error({ ...gap }, 'audit_dropped');
    const text = lineText(gap);
    this.#waiting = [{ text, through: gap.through }];
    this.#waitingBytes = text.length;
  }

  #flushAfter(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer ??= this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.flush();
    });
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#stopped) {
      try {
        await this.#writeSome();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        this.#failures += 1;
        this.#options.logger.warn({ reason: errorMessage(error) }, 'audit_write_failed');
        this.#flushAfter(retryMs);
        return;
      }
    }
  }

  /** As many lines as the newest file has room for; one at least. */
  async #writeSome(): Promise<void> {
    const max = this.#options.segmentBytes ?? segmentBytes;
    if (this.#open === undefined || this.#open.bytes >= max) await this.#beginSegment();
    const open = this.#open;
    if (open === undefined) return;
    const lines: string[] = [];
    let { chain } = this.#written;
    let bytes = open.bytes;
    const taken: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (bytes >= max) break;
      chain = chainAfter(chain, waiting.text);
      const line = `${chained(waiting.text, chain)}\n`;
      lines.push(line);
      taken.push(waiting);
      bytes += Buffer.byteLength(line);
    }
    await open.file.write(Buffer.from(lines.join('')), open.bytes);
    this.#open = { ...open, bytes };
    this.#written = { chain, through: taken.at(-1)?.through ?? this.#written.through };
    const done = new Set(taken);
    // What came meanwhile is behind; what was dropped meanwhile is told of as a gap.
    this.#waiting = this.#waiting.filter((waiting) => !done.has(waiting));
    this.#waitingBytes = this.#waiting.reduce((sum, { text }) => sum + text.length, 0);
  }

  async #beginSegment(): Promise<void> {
    const { disk, directory } = this.#options;
    await this.#open?.file.close();
    const before = this.#open?.number ?? 0;
    this.#open = undefined;
    const segments = await listSegments(disk, directory);
    const number = Math.max(before, segments.at(-1)?.number ?? 0) + 1;
    const { path } = segmentOf(directory, number);
    const { chain: follows, through } = this.#written;
    const text = lineText({ kind: 'opening', follows, through });
    const chain = chainAfter(follows, text);
    const line = Buffer.from(`${chained(text, chain)}\n`);
    const created = await disk.open(path, 'create');
    try {
      await created.write(line, 0);
      await created.sync();
    } finally {
      await created.close();
    }
    await disk.syncDirectory(directory);
    this.#open = { number, file: await disk.open(path, 'write-durably'), bytes: line.length };
    this.#written = { chain, through };
    await this.#forget(segments);
  }

  /** The oldest files go: so many that the rest has room. */
  async #forget(older: readonly Segment[]): Promise<void> {
    const { disk, bytesMax = auditBytesMax, segmentBytes: each = segmentBytes } = this.#options;
    const kept = Math.max(1, Math.floor(bytesMax / each) - 1);
    for (const { path } of older.slice(0, Math.max(0, older.length - kept)))
      await disk.remove(path);
  }
}

/**
 * The end of what a file holds as it was written, where writing goes on; undefined when that is nothing. A crash leaves
 * any part of its last write: that is cut off, for the log has it still. So is what somebody else wrote there.
 */
async function endOf(
  disk: Disk,
  segment: Segment,
  logger: Logger,
): Promise<{ readonly written: Written; readonly open: OpenSegment } | undefined> {
  const { lines, size } = await readSegment(disk, segment);
  let written: Written | undefined;
  let bytes = 0;
  for (const text of lines) {
    const found = unchained(text);
    const line = found === undefined ? undefined : readLine(found.text);
    if (found === undefined || line === undefined) break;
    if ((line.kind === 'opening') !== (written === undefined)) break;
    const before = line.kind === 'opening' ? line.follows : (written?.chain ?? '');
    if (chainAfter(before, found.text) !== found.chain) break;
    written = { chain: found.chain, through: lineThrough(line) };
    bytes += Buffer.byteLength(text) + 1;
  }
  if (bytes < size) logger.warn({ file: segment.path, bytes: size - bytes }, 'audit_cut');
  if (written === undefined) return undefined;
  const file = await disk.open(segment.path, 'write-durably');
  if (bytes < size) await file.truncate(bytes);
  return { written, open: { number: segment.number, file, bytes } };
}
