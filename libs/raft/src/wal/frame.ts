import { crc32 } from 'node:zlib';
import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import { placeOf, type RecordCipher, sealingBytes } from '../cipher.ts';
import type { StoreWork } from '../storage.ts';
import type { Entry, HardState, VoterId } from '../types.ts';

// A segment is a header and then frames, each the content of one durable write:
//
//   segment header   "SHOALWAL" | version u32 | salt u32 | sequence u64 | checksum u32 | key u32
//   frame header     payload length u32 | payload checksum u32 | records u32 | header checksum u32
//   payload          records, padded with zeros to a multiple of eight bytes
//   record           type u8 | length u32 | content
//
// Checksums are CRC-32 started from the segment's salt plus the frame's offset, so a frame is valid at
// its own place in its own segment only. Frames follow each other on eight-byte boundaries; each is
// written when the one before is durable. A frame header of zeros is space not yet used.
//
// A segment of version 2 has the number of a key in its header; the payload of its frames is encrypted as
// a whole (nonce, ciphertext, tag) and padded. Its checksum is of the encrypted bytes: a write that was
// torn shows before any key is tried.

/** Plain, and encrypted. */
const formatVersions = { plain: 1, sealed: 2 } as const;
export const segmentHeaderBytes = 32;
export const frameHeaderBytes = 16;
export const alignment = 8;
const magic = Buffer.from('SHOALWAL');
const recordHeaderBytes = 5;
const entryHeaderBytes = 17;
const hardStateBytes = 24;
const replacedBytes = 8;

const recordType = { hardState: 1, entry: 2, seal: 3, replaced: 4 } as const;
const entryKinds = ['normal', 'empty', 'membership'] as const;

export interface SegmentHeader {
  readonly salt: number;
  /** Counts segments from 1; their order. */
  readonly sequence: number;
  /** Number of the key that its frames are encrypted with; 0 for plain ones. */
  readonly key: number;
}

/** What a frame is written and read with: its segment, and the keys. */
export interface FrameScope extends SegmentHeader {
  readonly cipher: RecordCipher | undefined;
}

/** What a frame says. */
export interface FrameContent {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  /** The segment ends here; the log goes on in the next. */
  readonly seal: boolean;
  /** A leader's snapshot up to here replaced all entries written before this frame; 0 when none did. */
  readonly replaced: LogIndex;
}

export function encodeSegmentHeader({ salt, sequence, key }: SegmentHeader): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  magic.copy(header, 0);
  header.writeUInt32LE(key === 0 ? formatVersions.plain : formatVersions.sealed, 8);
  header.writeUInt32LE(salt, 12);
  writeSafe(header, sequence, 16);
  header.writeUInt32LE(key, 28);
  header.writeUInt32LE(headerChecksum(header), 24);
  return header;
}

/** Reads a segment's header; undefined when the bytes are none of a known version. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32LE(24) !== headerChecksum(bytes)) return undefined;
  const key = bytes.readUInt32LE(28);
  const version = key === 0 ? formatVersions.plain : formatVersions.sealed;
  if (bytes.readUInt32LE(8) !== version) return undefined;
  return { salt: bytes.readUInt32LE(12), sequence: readSafe(bytes, 16), key };
}

/** The number of the key counts only where there is one: plain headers stay what they were. */
function headerChecksum(header: Buffer): number {
  const checksum = crc32(header.subarray(0, 24));
  return header.readUInt32LE(28) === 0 ? checksum : crc32(header.subarray(28, 32), checksum);
}

/** The whole frame for one durable write at `offset` of the segment with this salt. */
export function encodeFrame(
  work: FrameWork,
  scope: FrameScope,
  offset: number,
  seal = false,
): Buffer {
  const { salt } = scope;
  const replaced = work.replaced ?? 0;
  const records =
    work.entries.length +
    (work.hardState === undefined ? 0 : 1) +
    (seal ? 1 : 0) +
    (replaced > 0 ? 1 : 0);
  let bytes = seal ? recordHeaderBytes : 0;
  if (replaced > 0) bytes += recordHeaderBytes + replacedBytes;
  if (work.hardState !== undefined) bytes += recordHeaderBytes + hardStateBytes;
  for (const entry of work.entries)
    bytes += recordHeaderBytes + entryHeaderBytes + entry.data.length;
  const padded = Math.ceil(bytes / alignment) * alignment;
  let frame: Buffer = Buffer.allocUnsafe(frameHeaderBytes + padded);
  let at = frameHeaderBytes;
  // First of all: what comes in this frame is no longer what was replaced.
  if (replaced > 0) {
    const content = putRecord(frame, recordType.replaced, replacedBytes, at);
    writeSafe(frame, replaced, content);
    at = content + replacedBytes;
  }
  // Before the entries: if the write is torn, what is left of it must not be entries of an unknown term.
  if (work.hardState !== undefined) at = putHardState(frame, work.hardState, at);
  for (const entry of work.entries) at = putEntry(frame, entry, at);
  if (seal) at = putRecord(frame, recordType.seal, 0, at);
  frame.fill(0, at);
  if (scope.key !== 0) frame = sealed(frame, scope, offset);
  frame.writeUInt32LE(frame.length - frameHeaderBytes, 0);
  frame.writeUInt32LE(crc32(frame.subarray(frameHeaderBytes), seedOf(salt, offset)), 4);
  frame.writeUInt32LE(records, 8);
  frame.writeUInt32LE(crc32(frame.subarray(0, 12), seedOf(salt, offset)), 12);
  return frame;
}

/** A durable write; `replaced` as in {@link FrameContent}. */
export interface FrameWork extends StoreWork {
  readonly replaced?: LogIndex;
}

/** A copy of the frame with its payload encrypted, and room for its header. */
function sealed(frame: Buffer, scope: FrameScope, offset: number): Buffer {
  const { cipher } = scope;
  invariant(cipher?.current === scope.key, 'a segment is written with its own key', {
    key: scope.key,
  });
  const payload = cipher.seal(frame.subarray(frameHeaderBytes), framePlace(scope, offset));
  const bytes = Math.ceil(payload.length / alignment) * alignment;
  const whole = Buffer.alloc(frameHeaderBytes + bytes);
  payload.copy(whole, frameHeaderBytes);
  return whole;
}

function framePlace({ salt, sequence }: SegmentHeader, offset: number): Buffer {
  return placeOf(salt, sequence, offset);
}

export type DecodedFrame =
  | { readonly kind: 'frame'; readonly content: FrameContent; readonly end: number }
  /** Space not yet used, or the end of the file. */
  | { readonly kind: 'unused' }
  | { readonly kind: 'invalid'; readonly reason: string }
  /** Whole as it was written, and yet the key does not open it. */
  | { readonly kind: 'closed'; readonly reason: string };

/** Reads the frame at `offset` of a whole segment. */
export function decodeFrame(segment: Buffer, scope: FrameScope, offset: number): DecodedFrame {
  const { salt } = scope;
  const header = segment.subarray(offset, offset + frameHeaderBytes);
  if (header.every((byte) => byte === 0)) return { kind: 'unused' };
  if (!isFrameHeader(segment, salt, offset)) return { kind: 'invalid', reason: 'its header' };
  const end = offset + frameHeaderBytes + header.readUInt32LE(0);
  if (end > segment.length) return { kind: 'invalid', reason: 'its length' };
  const payload = segment.subarray(offset + frameHeaderBytes, end);
  if (header.readUInt32LE(4) !== crc32(payload, seedOf(salt, offset)))
    return { kind: 'invalid', reason: 'its checksum' };
  const plain = scope.key === 0 ? payload : opened(payload, scope, offset);
  if (plain === undefined) return { kind: 'closed', reason: closedReason(scope) };
  return { kind: 'frame', content: decodePayload(plain, header.readUInt32LE(8)), end };
}

/** Plain payloads are multiples of the alignment, so the length tells how much is padding. */
function opened(payload: Buffer, scope: FrameScope, offset: number): Buffer | undefined {
  const padding = (alignment - (sealingBytes % alignment)) % alignment;
  const sealedBytes = payload.subarray(0, payload.length - padding);
  return scope.cipher?.open(scope.key, sealedBytes, framePlace(scope, offset));
}

function closedReason({ key, cipher }: FrameScope): string {
  return cipher?.has(key) === true
    ? `key ${key} of this host does not open it: it is another key, or the file was forged`
    : `it is encrypted with key ${key}, which this host does not have`;
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
  let replaced = 0 as LogIndex;
  let at = 0;
  for (let record = 0; record < records; record++) {
    const type = payload.readUInt8(at);
    const length = payload.readUInt32LE(at + 1);
    const content = payload.subarray(at + recordHeaderBytes, at + recordHeaderBytes + length);
    // A later version may add record types; what it adds is not needed to read the rest.
    if (type === recordType.hardState) hardState = getHardState(content);
    else if (type === recordType.entry) entries.push(getEntry(content));
    else if (type === recordType.seal) seal = true;
    else if (type === recordType.replaced) replaced = readSafe(content, 0) as LogIndex;
    at += recordHeaderBytes + length;
  }
  return { hardState, entries, seal, replaced };
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
