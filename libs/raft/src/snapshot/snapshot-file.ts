import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { invariant, type Logger, type LogIndex, type Term } from '@shoal/runtime';
import { placeOf, type RecordCipher } from '../cipher.ts';
import { decodeMembership, encodeMembership } from '../core/membership.ts';
import { type Disk, DiskError, type DiskFile } from '../disk/disk.ts';
import { CorruptStorageError } from '../storage.ts';
import type { SnapshotMeta } from '../types.ts';
import { readSafe, writeSafe } from '../wal/frame.ts';

// A snapshot file is a header, chunks and a trailer:
//
//   header    "SHOALSNP" | version u32 | length u32 | index u64 | term u64 | membership | checksum u32
//   chunk     length u32 | checksum u32 | bytes
//   trailer   0xffffffff u32 | chunks u32 | bytes u64 | checksum u32
//
// A snapshot of version 3 has the number of a key (u32) between its term and its membership; each of its
// chunks is encrypted (nonce, ciphertext, tag), and the checksum is of the encrypted bytes.
//
// It is written under another name and renamed when it is whole and durable.

const magic = Buffer.from('SHOALSNP');
const versions = { plain: 2, sealed: 3 } as const;
const keyNumberBytes = 4;
const fixedHeaderBytes = 32;
const chunkHeaderBytes = 8;
const trailerBytes = 20;
const trailerMark = 0xffffffff;
/** Bound on the encoded membership. */
const membershipBytesMax = 64 * 1024;
/** Bound on one chunk; a larger length in a file is damage, not a reason to allocate it. */
const chunkBytesMax = 64 * 1024 * 1024;
const temporarySuffix = '.tmp';
/** Complete snapshots kept beside the newest, while they are under its key, at least. */
export const olderSnapshotsKept = 1;

function snapshotName({ index, term }: SnapshotMeta): string {
  const hex = (value: number): string => value.toString(16).padStart(16, '0');
  return `snapshot-${hex(index)}-${hex(term)}`;
}

/** Names of complete snapshots, newest first. */
export function snapshotNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => /^snapshot-[0-9a-f]{16}-[0-9a-f]{16}$/.test(name)).reverse();
}

/** The index in the name of a complete snapshot, which stands also when its content is damaged. */
export function snapshotIndexOf(name: string): LogIndex {
  return Number.parseInt(name.slice('snapshot-'.length), 16) as LogIndex;
}

/** A complete snapshot as it lies in its folder. */
export interface SnapshotOnDisk {
  readonly path: string;
  /** Number of the key it is encrypted with; 0 when it is plain, or when its header cannot be read. */
  readonly key: number;
  /** Index of the last entry it covers. */
  readonly last: LogIndex;
}

/** Complete snapshots, newest first. @throws DiskError */
export async function snapshotsIn(
  disk: Disk,
  directory: string,
): Promise<readonly SnapshotOnDisk[]> {
  const found: SnapshotOnDisk[] = [];
  for (const name of snapshotNames(await disk.list(directory))) {
    const path = join(directory, name);
    const key = await keyOf(disk, path);
    if (key !== undefined) found.push({ path, key, last: snapshotIndexOf(name) });
  }
  return found;
}

/** `undefined` when the file has gone since it was listed. */
async function keyOf(disk: Disk, path: string): Promise<number | undefined> {
  try {
    return (await openSnapshot(disk, path)).key;
  } catch (error) {
    if (error instanceof CorruptStorageError) return 0;
    if (error instanceof DiskError) return error.code === 'ENOENT' ? undefined : 0;
    throw error;
  }
}

/**
 * Removes the snapshots that `newest`, under key `current`, makes needless, but for `kept` of them; gives those
 * that are there then. What the disk refuses to remove is left for the next time. @throws DiskError when nothing can be listed
 */
export async function removeOlderSnapshots(
  disk: Disk,
  directory: string,
  newest: string,
  { kept, current }: { readonly kept: number; readonly current: number },
  logger: Logger,
): Promise<readonly SnapshotOnDisk[]> {
  const left = new Set(await snapshotsIn(disk, directory));
  const older = [...left].filter(({ path }) => path < join(directory, newest));
  const needless = older.filter(({ key }, at) => at >= kept || key < current);
  for (const snapshot of needless) {
    try {
      await disk.remove(snapshot.path);
      left.delete(snapshot);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      logger.warn({ code: error.code, reason: error.message }, 'snapshot_not_removed');
    }
  }
  return [...left];
}

/** Names of what a crash left of snapshots that were never completed. */
export function unfinishedNames(names: readonly string[]): readonly string[] {
  return names.filter((name) => name.startsWith('snapshot-') && name.endsWith(temporarySuffix));
}

/** Writes a whole snapshot; complete and durable when it resolves, else nothing is left. @throws DiskError */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  meta: SnapshotMeta,
  chunks: AsyncIterable<Uint8Array>,
  cipher?: RecordCipher,
): Promise<string> {
  const name = snapshotName(meta);
  const temporary = join(directory, `${name}${temporarySuffix}`);
  const file = await disk.open(temporary, 'create');
  try {
    await writeContent(file, meta, chunks, cipher);
    await file.sync();
  } catch (error) {
    await file.close();
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
  await disk.rename(temporary, join(directory, name));
  await disk.syncDirectory(directory);
  return name;
}

async function writeContent(
  file: DiskFile,
  meta: SnapshotMeta,
  chunks: AsyncIterable<Uint8Array>,
  cipher: RecordCipher | undefined,
): Promise<void> {
  const header = encodeHeader(meta, cipher?.current ?? 0);
  await file.write(header, 0);
  let at = header.length;
  let count = 0;
  let bytes = 0;
  for await (const plain of chunks) {
    const chunk = cipher?.seal(plain, chunkPlace(meta, count)) ?? plain;
    invariant(chunk.length <= chunkBytesMax, 'a chunk is too large to be read back');
    const framed = Buffer.allocUnsafe(chunkHeaderBytes + chunk.length);
    framed.writeUInt32LE(chunk.length, 0);
    framed.writeUInt32LE(crc32(chunk, count), 4);
    framed.set(chunk, chunkHeaderBytes);
    await file.write(framed, at);
    at += framed.length;
    count += 1;
    bytes += chunk.length;
  }
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeUInt32LE(trailerMark, 0);
  trailer.writeUInt32LE(count, 4);
  writeSafe(trailer, bytes, 8);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 16)), 16);
  await file.write(trailer, at);
}

function chunkPlace({ index, term }: SnapshotMeta, number: number): Buffer {
  return placeOf(index, term, number);
}

function encodeHeader({ index, term, membership }: SnapshotMeta, key: number): Buffer {
  const members = encodeMembership(membership);
  invariant(members.length <= membershipBytesMax, 'a membership in bounds', { index });
  const keyed = key === 0 ? 0 : keyNumberBytes;
  const header = Buffer.alloc(fixedHeaderBytes + keyed + members.length + 4);
  magic.copy(header, 0);
  header.writeUInt32LE(key === 0 ? versions.plain : versions.sealed, 8);
  header.writeUInt32LE(members.length, 12);
  writeSafe(header, index, 16);
  writeSafe(header, term, 24);
  if (key !== 0) header.writeUInt32LE(key, fixedHeaderBytes);
  header.set(members, fixedHeaderBytes + keyed);
  header.writeUInt32LE(crc32(header.subarray(0, -4)), header.length - 4);
  return header;
}

/** An opened snapshot whose header is sound. */
export interface SnapshotFile {
  readonly meta: SnapshotMeta;
  /** Number of the key it is encrypted with; 0 when it is plain. */
  readonly key: number;
  /** Checks each chunk as it passes, and at the end that none is missing. @throws CorruptStorageError */
  chunks(): AsyncIterable<Uint8Array>;
}

/** @throws CorruptStorageError when the header is damaged. @throws DiskError */
export async function openSnapshot(
  disk: Disk,
  path: string,
  cipher?: RecordCipher,
): Promise<SnapshotFile> {
  const file = await disk.open(path, 'read');
  try {
    const { meta, key, end } = await readHeader(file, path);
    const opened: Opened = { meta, key, cipher };
    return { meta, key, chunks: () => readChunks(disk, path, end, opened) };
  } finally {
    await file.close();
  }
}

interface Opened {
  readonly meta: SnapshotMeta;
  readonly key: number;
  readonly cipher: RecordCipher | undefined;
}

async function readHeader(
  file: DiskFile,
  path: string,
): Promise<{ readonly meta: SnapshotMeta; readonly key: number; readonly end: number }> {
  const fixed = await file.read(0, fixedHeaderBytes);
  const sound = fixed.length === fixedHeaderBytes && fixed.subarray(0, 8).equals(magic);
  const length = sound ? fixed.readUInt32LE(12) : membershipBytesMax + 1;
  const isSealed = sound && fixed.readUInt32LE(8) === versions.sealed;
  const known = isSealed || (sound && fixed.readUInt32LE(8) === versions.plain);
  if (length > membershipBytesMax || !known)
    throw new CorruptStorageError(path, 0, 'its snapshot header');
  const membershipAt = fixedHeaderBytes + (isSealed ? keyNumberBytes : 0);
  const end = membershipAt + length + 4;
  const header = await file.read(0, end);
  if (header.length < end || header.readUInt32LE(end - 4) !== crc32(header.subarray(0, end - 4)))
    throw new CorruptStorageError(path, 0, 'its snapshot header');
  const membership = decodeMembership(header.subarray(membershipAt, end - 4));
  const key = isSealed ? header.readUInt32LE(fixedHeaderBytes) : 0;
  const index = readSafe(header, 16) as LogIndex;
  return { meta: { index, term: readSafe(header, 24) as Term, membership }, key, end };
}

async function* readChunks(
  disk: Disk,
  path: string,
  start: number,
  { meta, key, cipher }: Opened,
): AsyncGenerator<Uint8Array> {
  const file = await disk.open(path, 'read');
  try {
    let at = start;
    let count = 0;
    let bytes = 0;
    for (;;) {
      const header = await file.read(at, chunkHeaderBytes);
      if (header.length < chunkHeaderBytes)
        throw new CorruptStorageError(path, at, 'it ends early');
      const length = header.readUInt32LE(0);
      if (length === trailerMark) break;
      if (length > chunkBytesMax) throw new CorruptStorageError(path, at, 'the length of a chunk');
      const chunk = await file.read(at + chunkHeaderBytes, length);
      if (chunk.length < length || header.readUInt32LE(4) !== crc32(chunk, count))
        throw new CorruptStorageError(path, at, 'the checksum of a chunk');
      const plain = key === 0 ? chunk : cipher?.open(key, chunk, chunkPlace(meta, count));
      if (plain === undefined)
        throw new CorruptStorageError(path, at, `key ${key} of this host does not open it`);
      yield plain;
      at += chunkHeaderBytes + length;
      count += 1;
      bytes += length;
    }
    const trailer = await file.read(at, trailerBytes + 1);
    const whole =
      trailer.length === trailerBytes &&
      trailer.readUInt32LE(16) === crc32(trailer.subarray(0, 16)) &&
      trailer.readUInt32LE(4) === count &&
      readSafe(trailer, 8) === bytes;
    if (!whole) throw new CorruptStorageError(path, at, 'its trailer');
  } finally {
    await file.close();
  }
}
