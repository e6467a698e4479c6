import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import { DiskError } from '../disk/disk.ts';

/** Size at which a new file is begun, and what all files have together at most, bytes. */
export const segmentBytes = 1 << 20;
export const auditBytesMax = 64 * segmentBytes;

/** Of the name of what is put aside, behind that of its file. */
const cutEnd = '.cut';

const named = /^audit-(\d{8})\.jsonl$/;

/** A file of the audit. */
export interface Segment {
  readonly number: number;
  readonly path: string;
}

export function segmentOf(directory: string, number: number): Segment {
  return { number, path: join(directory, `audit-${String(number).padStart(8, '0')}.jsonl`) };
}

/** Where what is cut off a file is put aside. */
export function asideOf(path: string): string {
  return path + cutEnd;
}

/** What was put aside; none where there is no directory. @throws DiskError */
export async function listAside(disk: Disk, directory: string): Promise<readonly string[]> {
  const names = await namesIn(disk, directory);
  return names.filter((name) => name.endsWith(cutEnd)).map((name) => join(directory, name));
}

/** All files, oldest first; none where there is no directory. @throws DiskError */
export async function listSegments(disk: Disk, directory: string): Promise<readonly Segment[]> {
  const names = await namesIn(disk, directory);
  return names.flatMap((name) => {
    const number = named.exec(name)?.[1];
    return number === undefined ? [] : [segmentOf(directory, Number(number))];
  });
}

/** Whole lines of a file of so many bytes, and whether something stands behind the last one. @throws DiskError */
export async function readSegment(
  disk: Disk,
  { path }: Segment,
): Promise<{ readonly lines: readonly string[]; readonly size: number; readonly torn: boolean }> {
  const file = await disk.open(path, 'read');
  try {
    const content = await file.read(0, await file.size());
    const end = content.lastIndexOf(newline) + 1;
    const lines = content.toString('utf8', 0, end).split('\n').slice(0, -1);
    return { lines, size: content.length, torn: end < content.length };
  } finally {
    await file.close();
  }
}

const newline = 0x0a;

async function namesIn(disk: Disk, directory: string): Promise<readonly string[]> {
  try {
    return await disk.list(directory);
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return [];
    throw error;
  }
}
