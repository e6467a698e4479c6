import { type Clock, errorMessage, type Logger, type LogIndex, type Timer } from '@shoal/runtime';
import { type AppliedEntry, auditRecords, type StateView, type Transaction } from '@shoal/state';
import { type Disk, DiskError, type DiskFile } from '../disk/disk.ts';
import type { Audit } from './audit.ts';
import {
  chainAfter,
  chained,
  chainStart,
  isLastOfEntry,
  type Line,
  lineIndex,
  lineText,
  readLine,
  unchained,
} from './line.ts';
import {
  asideOf,
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

/** Lines that are written together or not at all: those of one entry. */
interface Waiting {
  readonly texts: readonly string[];
  readonly through: number;
}

/** How far the durable part goes. */
interface Written {
  readonly chain: string;
  readonly through: number;
}

interface OpenSegment {
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
  /** Absent before the first line, and where the file could not be made. */
  #open: OpenSegment | undefined;
  /** Of the newest file that has its first line. */
  #number: number;
  /** A write was refused: any part of it may stand behind what counts. */
  #torn = false;
  #isWriting = false;
  #timer: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Since the start. */
  #records = 0;
  #failures = 0;

  private constructor(options: JournalOptions, end?: End) {
    this.#options = options;
    this.#written = end?.written ?? { chain: chainStart, through: 0 };
    this.#through = this.#written.through;
    this.#open = end?.open;
    this.#number = end?.number ?? 0;
  }

  /** @throws DiskError when the files there cannot be read. */
  static async open(options: JournalOptions): Promise<AuditJournal> {
    const { disk, directory } = options;
    await disk.makeDirectory(directory);
    const segments = [...(await listSegments(disk, directory))];
    let newest = segments.pop();
    while (newest !== undefined) {
      const end = await endOf(disk, newest, options.logger);
      if (end !== undefined) return new AuditJournal(options, end);
      // Begun, and never given its first line.
      await disk.remove(newest.path);
      newest = segments.pop();
    }
    return new AuditJournal(options);
  }

  /** Records since the start, and writes that the disk refused. */
  get figures(): { readonly records: number; readonly failures: number } {
    return { records: this.#records, failures: this.#failures };
  }

  applied(view: StateView, applied: AppliedEntry, transactions: readonly Transaction[]): void {
    if (applied.index <= this.#through) return;
    this.#through = applied.index;
    const records = auditRecords(view, applied, transactions);
    if (records.length === 0) return;
    this.#records += records.length;
    this.#add(records.map((record) => ({ kind: 'record', record })));
  }

  restored(index: LogIndex): void {
    if (index <= this.#through) return;
    const gap = { kind: 'gap', after: this.#through, through: index } as const;
    this.#through = index;
    this.#add([gap]);
  }

  settle(): Promise<void> {
    const through = this.#waiting.at(-1)?.through ?? this.#written.through;
    if (this.#through > through) this.#add([{ kind: 'through', through: this.#through }]);
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

  #add(lines: readonly Line[]): void {
    const texts = lines.map(lineText);
    this.#waitingBytes += bytesOf(texts);
    this.#waiting.push({ texts, through: this.#through });
    if (!this.#isWriting) this.#dropIfTooMuch();
    this.#flushAfter(flushMs);
  }

  /** Not while some of it is being written: that may be kept yet. */
  #dropIfTooMuch(): void {
    if (this.#waitingBytes <= waitingBytesMax) return;
    const gap = { kind: 'gap', after: this.#written.through, through: this.#through } as const;
    this.#options.logger.error({ ...gap }, 'audit_dropped');
    const texts = [lineText(gap)];
    this.#waiting = [{ texts, through: gap.through }];
    this.#waitingBytes = bytesOf(texts);
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
      this.#isWriting = true;
      try {
        await this.#writeSome();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        this.#failures += 1;
        this.#options.logger.warn({ reason: errorMessage(error) }, 'audit_write_failed');
        this.#flushAfter(retryMs);
        return;
      } finally {
        this.#isWriting = false;
        this.#dropIfTooMuch();
      }
    }
  }

  /** As many entries as the newest file has room for; one at least. */
  async #writeSome(): Promise<void> {
    const max = this.#options.segmentBytes ?? segmentBytes;
    if (this.#open === undefined || this.#open.bytes >= max) await this.#beginSegment();
    const open = this.#open;
    if (open === undefined) return;
    if (this.#torn) await open.file.truncate(open.bytes);
    this.#torn = true;
    const lines: string[] = [];
    let { chain } = this.#written;
    let { bytes } = open;
    const taken: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (bytes >= max) break;
      for (const text of waiting.texts) {
        chain = chainAfter(chain, text);
        lines.push(`${chained(text, chain)}\n`);
        bytes += Buffer.byteLength(lines.at(-1) ?? '');
      }
      taken.push(waiting);
    }
    const through = taken.at(-1)?.through ?? this.#written.through;
    await open.file.write(Buffer.from(lines.join('')), open.bytes);
    this.#torn = false;
    this.#open = { ...open, bytes };
    this.#written = { chain, through };
    // What came meanwhile is behind.
    this.#waiting = this.#waiting.slice(taken.length);
    this.#waitingBytes = this.#waiting.reduce((sum, { texts }) => sum + bytesOf(texts), 0);
  }

  /** What could not be made whole is made again under the same name. */
  async #beginSegment(): Promise<void> {
    const { disk, directory } = this.#options;
    const before = this.#open;
    this.#open = undefined;
    await before?.file.close();
    const number = this.#number + 1;
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
    const file = await disk.open(path, 'write-durably');
    this.#torn = false;
    this.#number = number;
    this.#open = { file, bytes: line.length };
    this.#written = { chain, through };
    await this.#forget(await listSegments(disk, directory));
  }

  /** The oldest files go: so many that the rest has room. */
  async #forget(all: readonly Segment[]): Promise<void> {
    const { disk, bytesMax = auditBytesMax, segmentBytes: each = segmentBytes } = this.#options;
    const kept = Math.max(2, Math.floor(bytesMax / each));
    for (const { path } of all.slice(0, Math.max(0, all.length - kept))) {
      await disk.remove(path);
      await disk.remove(asideOf(path));
    }
  }
}

function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length, 0);
}

/** Where writing goes on. */
interface End {
  readonly number: number;
  readonly written: Written;
  readonly open: OpenSegment;
}

/**
 * The end of what a file holds as it was written; undefined when that is nothing. A crash leaves any part of its last
 * write: that is cut off and put aside, with all lines of an entry that is not whole, for the log has it still. So is what
 * somebody else wrote there.
 */
async function endOf(disk: Disk, segment: Segment, logger: Logger): Promise<End | undefined> {
  const { lines, size } = await readSegment(disk, segment);
  let chain: string | undefined;
  let written: Written | undefined;
  /** Of all lines so far, and of those up to `written`. */
  let read = 0;
  let bytes = 0;
  for (const text of lines) {
    const found = unchained(text);
    const line = found === undefined ? undefined : readLine(found.text);
    if (found === undefined || line === undefined) break;
    if ((line.kind === 'opening') !== (chain === undefined)) break;
    const before = line.kind === 'opening' ? line.follows : (chain ?? '');
    if (chainAfter(before, found.text) !== found.chain) break;
    chain = found.chain;
    read += Buffer.byteLength(text) + 1;
    if (!isLastOfEntry(line)) continue;
    written = { chain, through: lineIndex(line) };
    bytes = read;
  }
  if (bytes < size) await putAside(disk, segment, { from: bytes, to: size }, logger);
  if (written === undefined) return undefined;
  const file = await disk.open(segment.path, 'write-durably');
  if (bytes < size) await file.truncate(bytes);
  return { number: segment.number, written, open: { file, bytes } };
}

/** What is cut off a file may be somebody's work, and is left for people to look at, as long as the file is there. */
async function putAside(
  disk: Disk,
  { path }: Segment,
  { from, to }: { readonly from: number; readonly to: number },
  logger: Logger,
): Promise<void> {
  const aside = asideOf(path);
  logger.error({ file: path, bytes: to - from, aside }, 'audit_cut');
  const file = await disk.open(path, 'read');
  const cut = await file.read(from, to - from).finally(() => file.close());
  const copy = await disk.open(aside, 'create');
  try {
    await copy.write(cut, 0);
    await copy.sync();
  } finally {
    await copy.close();
  }
}
