import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AuditRecord } from '@shoal/state';
import { type Disk, DiskError } from '../disk/disk.ts';
import { chainAfter, lineIndex, readLine, unchained } from './line.ts';
import { listAside, listSegments, readSegment, type Segment } from './segments.ts';

/** Lines that are looked at before everything else that the process does gets its turn. */
const linesPerTurn = 256;

/** Entries, after the first up to the second, that never passed this manager one by one. */
export interface AuditGap {
  readonly after: number;
  readonly through: number;
}

export interface AuditFound {
  /** Newest first. */
  readonly records: readonly AuditRecord[];
  /** Between the records, newest first. */
  readonly gaps: readonly AuditGap[];
}

/**
 * The newest records that are wanted, at most `limit`; reading ends where `over` says that nothing older is.
 * Lines that are none are passed over: {@link verifyAudit} tells of them. @throws DiskError
 */
export async function readAudit(
  disk: Disk,
  directory: string,
  question: {
    readonly limit: number;
    readonly wants: (record: AuditRecord) => boolean;
    readonly over: (record: AuditRecord) => boolean;
  },
): Promise<AuditFound> {
  const { limit, wants, over } = question;
  const records: AuditRecord[] = [];
  const gaps: AuditGap[] = [];
  const segments = await listSegments(disk, directory);
  for (const segment of segments.toReversed()) {
    const lines = (await readKept(disk, segment))?.lines ?? [];
    for (const [at, written] of lines.toReversed().entries()) {
      if (at % linesPerTurn === 0) await nextTurn();
      const line = readLine(unchained(written)?.text ?? '');
      if (line?.kind === 'gap') gaps.push({ after: line.after, through: line.through });
      if (line?.kind !== 'record') continue;
      const { record } = line;
      if (over(record)) return { records, gaps };
      if (!wants(record)) continue;
      records.push(record);
      if (records.length >= limit) return { records, gaps };
    }
  }
  return { records, gaps };
}

/** What a look at the whole chain says. */
export type AuditVerdict =
  | {
      readonly kind: 'whole';
      readonly records: number;
      /** Entry that the oldest file begins behind, and the newest that is covered. */
      readonly after: number;
      readonly through: number;
      /** Of the newest line. */
      readonly chain: string;
      /** Files of what a start found behind or beside the chain, cut off and put aside. */
      readonly aside: readonly string[];
    }
  | {
      readonly kind: 'damaged';
      readonly file: string;
      /** From 1 on. */
      readonly line: number;
      readonly message: string;
    };

/** Holds every line against the one before it. @throws DiskError */
export async function verifyAudit(disk: Disk, directory: string): Promise<AuditVerdict> {
  const segments = await listSegments(disk, directory);
  let records = 0;
  let after: number | undefined;
  let through = 0;
  let chain: string | undefined;
  for (const [at, segment] of segments.entries()) {
    const content = await readKept(disk, segment);
    // The oldest went since they were listed.
    if (content === undefined && chain === undefined) continue;
    const { lines, torn } = content ?? { lines: [], torn: false };
    for (const [place, written] of lines.entries()) {
      if (place % linesPerTurn === 0) await nextTurn();
      const damage = (message: string): AuditVerdict => {
        return { kind: 'damaged', file: segment.path, line: place + 1, message };
      };
      const found = unchained(written);
      const line = found === undefined ? undefined : readLine(found.text);
      if (found === undefined || line === undefined) return damage('this is no line of the audit');
      if ((line.kind === 'opening') !== (place === 0))
        return damage('a file begins with its opening line, and has one');
      if (line.kind === 'opening' && chain !== undefined && line.follows !== chain)
        return damage('the file before it ends otherwise');
      const before = line.kind === 'opening' ? line.follows : (chain ?? '');
      if (chainAfter(before, found.text) !== found.chain)
        return damage('the line, or one before it, is not as it was written');
      if (lineIndex(line) < through) return damage('it is older than the line before it');
      chain = found.chain;
      after ??= lineIndex(line);
      through = lineIndex(line);
      if (line.kind === 'record') records += 1;
    }
    // The newest file may be in the middle of being written.
    if ((torn || lines.length === 0) && at < segments.length - 1)
      return {
        kind: 'damaged',
        file: segment.path,
        line: lines.length + 1,
        message: torn ? 'the last line has no end' : 'the file has no lines',
      };
  }
  const aside = await listAside(disk, directory);
  return { kind: 'whole', records, after: after ?? 0, through, chain: chain ?? '', aside };
}

/** Undefined where the file is gone by now. */
async function readKept(
  disk: Disk,
  segment: Segment,
): Promise<Awaited<ReturnType<typeof readSegment>> | undefined> {
  try {
    return await readSegment(disk, segment);
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
