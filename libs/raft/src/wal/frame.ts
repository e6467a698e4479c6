import { crc32 } from 'node:zlib';
import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import type { StoreWork } from '../storage.ts';
import type { Entry, HardState, VoterId } from '../types.ts';

// A segment is a header and then frames, each the content of one durable write:
//
//   segment header   "SHOALWAL" | version u32 | salt u32 | sequence u64 | checksum u32 | zero u32
//   frame header     payload length u32 | payload checksum u32 | records u32 | header checksum u32
//   payload          records, padded with zeros to a multiple of eight bytes
//   record           type u8 | length u32 | content
//
// Checksums are CRC-32 started from the segment's salt plus the frame's offset, so a frame is valid at
// its own place in its own segment only. Frames follow each other on eight-byte boundaries; each is
// written when the one before is durable. A frame header of zeros is space not yet used.

export const formatVersion = 1;
export const segmentHeaderBytes = 32;
export const frameHeaderBytes = 16;
export const alignment = 8;
const magic = Buffer.from('SHOALWAL');
const recordHeaderBytes = 5;
const entryHeaderBytes = 17;
const hardStateBytes = 24;

const recordType = { hardState: 1, entry: 2, seal: 3 } as const;
const entryKinds = ['normal', 'empty', 'membership'] as const;

export interface SegmentHeader {
  readonly salt: number;
  /** Counts segments from 1; their order. */
  readonly sequence: number;
}

/** What a frame says. */
export interface FrameContent {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  /** The segment ends here; the log goes on in the next. */
  readonly seal: boolean;
}

export function encodeSegmentHeader({ salt, sequence }: SegmentHeader): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  magic.copy(header, 0);
  header.writeUInt32LE(formatVersion, 8);
  header.writeUInt32LE(salt, 12);
  writeSafe(header, sequence, 16);
  header.writeUInt32LE(crc32(header.subarray(0, 24)), 24);
  return header;
}

/** Undefined when the bytes are no segment header of a known version. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32LE(24) !== crc32(bytes.subarray(0, 24))) return undefined;
  if (bytes.readUInt32LE(8) !== formatVersion) return undefined;
  return { salt: bytes.readUInt32LE(12), sequence: readSafe(bytes, 16) };
}

/** The whole frame for one durable write at `offset` of the segment with this salt. */
export function encodeFrame(work: StoreWork, salt: number, offset: number, seal = false): Buffer {
  const records = work.entries.length + (work.hardState === undefined ? 0 : 1) + (seal ? 1 : 0);
  let bytes = seal ? recordHeaderBytes : 0;
  if (work.hardState !== undefined) bytes += recordHeaderBytes + hardStateBytes;
  for (const entry of work.entries)
    bytes += recordHeaderBytes + entryHeaderBytes + entry.data.length;
  const padded = Math.ceil(bytes / alignment) * alignment;
  const frame = Buffer.allocUnsafe(frameHeaderBytes + padded);
  let at = frameHeaderBytes;
  // Before the entries: if the write is torn, what is left of it must not be entries of an unknown term.
  if (work.hardState !== undefined) at = putHardState(frame, work.hardState, at);
  for (const entry of work.entries) at = putEntry(frame, entry, at);
  if (seal) at = putRecord(frame, recordType.seal, 0, at);
  frame.fill(0, at);
  frame.writeUInt32LE(padded, 0);
  frame.writeUInt32LE(crc32(frame.subarray(frameHeaderBytes), seedOf(salt, offset)), 4);
  frame.writeUInt32LE(records, 8);
  frame.writeUInt32LE(crc32(frame.subarray(0, 12), seedOf(salt, offset)), 12);
  return frame;
}

export type DecodedFrame =
  | { readonly kind: 'frame'; readonly content: FrameContent; readonly end: number }
  /** Space not yet used, or the end of the file. */
  | { readonly kind: 'unused' }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Reads the frame at `offset` of a whole segment. */
export function decodeFrame(segment: Buffer, salt: number, offset: number): DecodedFrame {
  const header = segment.subarray(offset, offset + frameHeaderBytes);
  if (header.every((byte) => byte === 0)) return { kind: 'unused' };
  if (!isFrameHeader(segment, salt, offset)) return { kind: 'invalid', reason: 'its header' };
  const end = offset + frameHeaderBytes + header.readUInt32LE(0);
  if (end > segment.length) return { kind: 'invalid', reason: 'its length' };
  const payload = segment.subarray(offset + frameHeaderBytes, end);
  if (header.readUInt32LE(4) !== crc32(payload, seedOf(salt, offset)))
    return { kind: 'invalid', reason: 'its checksum' };
  return { kind: 'frame', content: decodePayload(payload, header.readUInt32LE(8)), end };
}

/** Whether a frame was begun here; says nothing of its payload. */
export function isFrameHeader(segment: Buffer, salt: number, offset: number): boolean {
  if (offset + frameHeaderBytes > segment.length || segment.readUInt32LE(offset + 8) === 0)
    return false;
  const stored = segment.readUInt32LE(offset + 12);
  return stored === crc32(segment.subarray(offset, offset + 12), seedOf(salt, offset));
}

function decodePayload(payload: Buffer, records: number): FrameContent {
  const entries: Entry[] = [];
  let hardState: HardState | undefined;
  let seal = false;
  let at = 0;
  for (let record = 0; record < records; record++) {
    const type = payload.readUInt8(at);
    const length = payload.readUInt32LE(at + 1);
    const content = payload.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length);
    // A later version may add record types; what it adds is not needed to read the rest.
    if (type === recordType.hardState) hardState = getHardState(content);
    else if (type === recordType.entry) entries.push(getEntry(content));
    else if (type === recordType.seal) seal = true;
    at += recordHeaderBytes + length;
  }
  return { hardState, entries, seal };
}

function seedOf(salt: number, offset: number): number {
  return (salt + offset) >>> 0;
}

function putRecord(frame: Buffer, type: number, length: number, at: number): number {
  frame.writeUInt8(type, at);
  frame.writeUInt32LE(length, at + 1);
  return at + recordHeaderBytes;
}

function putHardState(frame: Buffer, { term, vote, commit }: HardState, at: number): number {
  const content = putRecord(frame, recordType.hardState, hardStateBytes, at);
  writeSafe(frame, term, content);
  writeSafe(frame, vote, content + 8);
  writeSafe(frame, commit, content + 16);
  return content + hardStateBytes;
}

function getHardState(content: Buffer): HardState {
  return {
    term: readSafe(content, 0) as Term,
    vote: readSafe(content, 8) as VoterId | 0,
    commit: readSafe(content, 16) as LogIndex,
  };
}

function putEntry(frame: Buffer, { index, term, kind, data }: Entry, at: number): number {
  const content = putRecord(frame, recordType.entry, entryHeaderBytes + data.length, at);
  writeSafe(frame, index, content);
  writeSafe(frame, term, content + 8);
  frame.writeUInt8(entryKinds.indexOf(kind), content + 16);
  frame.set(data, content + entryHeaderBytes);
  return content + entryHeaderBytes + data.length;
}

function getEntry(content: Buffer): Entry {
  const kind = entryKinds[content.readUInt8(16)];
  invariant(kind !== undefined, 'an entry of a kind that this version does not know');
  return {
    index: readSafe(content, 0) as LogIndex,
    term: readSafe(content, 8) as Term,
    kind,
    // A copy: a view would keep the whole segment in memory.
    data: Buffer.from(content.subarray(entryHeaderBytes)),
  };
}

/** Integers below 2^53 as two halves; bigint arithmetic would cost more than the write. */
export function writeSafe(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value % 2 ** 32, at);
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

export function readSafe(buffer: Buffer, at: number): number {
  const value = buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32;
  invariant(Number.isSafeInteger(value), 'a stored number is out of range', { at });
  return value;
}
