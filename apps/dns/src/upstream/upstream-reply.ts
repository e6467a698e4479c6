import { skipName } from '../wire/names.ts';
import { flags, headerBytes, optBytes, rcodes, types } from '../wire/protocol.ts';
import type { Query } from '../wire/query.ts';
import { replyBytesMax, type Transport, writeOpt } from '../wire/reply-writer.ts';

/** Longest time that an answer is kept, seconds. */
export const keepSecondsMax = 3_600;
/** Longest time that "no such name" is kept, seconds: it may be a service's a moment later. */
export const keepNegativeSecondsMax = 30;

const recordHeadBytes = 10;
/** Fixed fields after the two names of an SOA record. */
const soaFixedBytes = 20;

/** An answer of an upstream, without the OPT record that was for us alone. */
export interface UpstreamReply {
  /** The message; id, flags of the client and question are put in for each client. */
  readonly bytes: Buffer;
  readonly questionBytes: number;
  /** Where records have their time to live. */
  readonly ttlOffsets: readonly number[];
  /** Where the same records end. */
  readonly recordEnds: readonly number[];
  readonly rcode: number;
  /** How long it may be kept, seconds; 0 for not at all. */
  readonly keepSeconds: number;
}

export type ReadReply =
  | { readonly kind: 'reply'; readonly reply: UpstreamReply }
  /** Not the answer to what was asked: forged, late or broken. */
  | { readonly kind: 'foreign' }
  /** Ask again over TCP. */
  | { readonly kind: 'truncated' }
  /** The server does not know EDNS: ask again without. */
  | { readonly kind: 'without-edns' }
  /** The server cannot say; another may. */
  | { readonly kind: 'refused' };

/** Reads what came back for `asked`, which is a whole query of ours. */
export function readReply(packet: Buffer, asked: Buffer, questionBytes: number): ReadReply {
  if (isBareRefusal(packet, asked)) return misunderstood(asked);
  if (!answers(packet, asked, questionBytes)) return { kind: 'foreign' };
  const bits = packet.readUInt16BE(2);
  if ((bits & flags.truncated) !== 0) return { kind: 'truncated' };
  const rcode = bits & 0xf;
  if (isMisunderstanding(rcode)) return misunderstood(asked);
  if (rcode !== rcodes.noError && rcode !== rcodes.nameError) return { kind: 'refused' };
  const records = walk(packet, headerBytes + questionBytes);
  if (records === undefined || records.extendedRcode !== 0) return { kind: 'refused' };
  const bytes = Buffer.from(packet.subarray(0, records.end));
  bytes.writeUInt16BE(records.additionals, 10);
  const negative = rcode === rcodes.nameError || packet.readUInt16BE(6) === 0;
  const limit = negative ? keepNegativeSecondsMax : keepSecondsMax;
  const least = negative ? records.negativeTtl : records.ttlLeast;
  const { ttlOffsets, recordEnds } = records;
  // Nobody else keeps it longer than we do.
  for (const offset of ttlOffsets) {
    bytes.writeUInt32BE(Math.min(ttlAt(bytes, offset), limit), offset);
  }
  const keepSeconds = Math.min(least ?? 0, limit);
  return {
    kind: 'reply',
    reply: { bytes, questionBytes, ttlOffsets, recordEnds, rcode, keepSeconds },
  };
}

function isMisunderstanding(rcode: number): boolean {
  return rcode === rcodes.formatError || rcode === rcodes.notImplemented;
}

function misunderstood(asked: Buffer): ReadReply {
  return asked.readUInt16BE(10) > 0 ? { kind: 'without-edns' } : { kind: 'refused' };
}

/** So servers answer that could not even read the question, such as old ones that know no EDNS (RFC 6891, section 7). */
function isBareRefusal(packet: Buffer, asked: Buffer): boolean {
  if (packet.length !== headerBytes || packet.readUInt16BE(0) !== asked.readUInt16BE(0))
    return false;
  const bits = packet.readUInt16BE(2);
  const isAnswer = (bits & flags.response) !== 0 && packet.readUInt16BE(4) === 0;
  return isAnswer && isMisunderstanding(bits & 0xf);
}

/** Whether the packet answers our query: same id, same question but for the case of letters. */
function answers(packet: Buffer, asked: Buffer, questionBytes: number): boolean {
  const end = headerBytes + questionBytes;
  if (packet.length < end || packet.readUInt16BE(0) !== asked.readUInt16BE(0)) return false;
  if ((packet.readUInt16BE(2) & flags.response) === 0 || packet.readUInt16BE(4) !== 1) return false;
  for (let at = headerBytes; at < end; at += 1) {
    if (folded(packet[at]) !== folded(asked[at])) return false;
  }
  return true;
}

/** Lengths of labels are below the letters, so that they may be treated like these. */
function folded(byte = 0): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

interface Records {
  readonly ttlOffsets: readonly number[];
  readonly recordEnds: readonly number[];
  readonly ttlLeast: number | undefined;
  /** Of the SOA record in the authority section (RFC 2308). */
  readonly negativeTtl: number | undefined;
  readonly extendedRcode: number;
  /** What is kept: everything before the OPT record. */
  readonly additionals: number;
  readonly end: number;
}

/** Undefined when the records are malformed. */
function walk(packet: Buffer, start: number): Records | undefined {
  const answerCount = packet.readUInt16BE(6);
  const authorityCount = packet.readUInt16BE(8);
  const main = answerCount + authorityCount;
  const count = main + packet.readUInt16BE(10);
  const ttlOffsets: number[] = [];
  const recordEnds: number[] = [];
  let ttlLeast: number | undefined;
  let negativeTtl: number | undefined;
  let at = start;
  for (let index = 0; index < count; index += 1) {
    const head = skipName(packet, at);
    if (head === undefined || head + recordHeadBytes > packet.length) return undefined;
    const dataAt = head + recordHeadBytes;
    const end = dataAt + packet.readUInt16BE(head + 8);
    if (end > packet.length) return undefined;
    const type = packet.readUInt16BE(head);
    if (type === types.OPT) {
      // What comes after it is dropped with it: additional records are gifts.
      const extendedRcode = packet[head + 4] ?? 0;
      if (index < main) return undefined;
      return {
        ttlOffsets,
        recordEnds,
        ttlLeast,
        negativeTtl,
        extendedRcode,
        additionals: index - main,
        end: at,
      };
    }
    const ttl = ttlAt(packet, head + 4);
    ttlOffsets.push(head + 4);
    recordEnds.push(end);
    ttlLeast = Math.min(ttl, ttlLeast ?? ttl);
    const authority = index >= answerCount && index < main;
    if (authority && type === types.SOA && end - dataAt > soaFixedBytes) {
      negativeTtl = Math.min(ttl, packet.readUInt32BE(end - 4));
    }
    at = end;
  }
  const additionals = count - main;
  return { ttlOffsets, recordEnds, ttlLeast, negativeTtl, extendedRcode: 0, additionals, end: at };
}

/** A time to live with the highest bit set counts as none (RFC 2181, 8). */
function ttlAt(packet: Buffer, offset: number): number {
  const ttl = packet.readUInt32BE(offset);
  return ttl > 0x7fffffff ? 0 : ttl;
}

/** The answer as one client gets it, `ageSeconds` after it came: as much of it as the client can take. */
export function replyFor(
  upstream: UpstreamReply,
  query: Query,
  transport: Transport,
  ageSeconds: number,
): Buffer {
  const { bytes, questionBytes, ttlOffsets, recordEnds } = upstream;
  const edns = query.edns === undefined ? 0 : optBytes;
  const { counts, isWhole } = fitting(upstream, replyBytesMax(query, transport) - edns);
  const records = counts.reduce((sum, count) => sum + count, 0);
  const kept = recordEnds[records - 1] ?? headerBytes + questionBytes;
  const reply = Buffer.allocUnsafe(kept + edns);
  bytes.copy(reply, 0, 0, kept);
  // Its own spelling of the name, which some clients check.
  query.question.copy(reply, headerBytes);
  const own = query.flags & (flags.recursionDesired | flags.checkingDisabled);
  const from = bytes.readUInt16BE(2) & (flags.authentic | 0xf);
  const bits = flags.response | flags.recursionAvailable | own | from;
  reply.writeUInt16BE(query.id, 0);
  reply.writeUInt16BE(isWhole ? bits : bits | flags.truncated, 2);
  for (const [at, count] of counts.entries()) reply.writeUInt16BE(count, 6 + 2 * at);
  for (const offset of ttlOffsets.slice(0, records)) {
    reply.writeUInt32BE(Math.max(0, bytes.readUInt32BE(offset) - ageSeconds), offset);
  }
  if (query.edns !== undefined) {
    reply.writeUInt16BE(reply.readUInt16BE(10) + 1, 10);
    writeOpt(reply, kept, query.edns);
  }
  return reply;
}

interface Fitting {
  /** Records of the answer, the authority and the additional section. */
  readonly counts: readonly [number, number, number];
  /** False where the client has to ask over TCP for the rest. */
  readonly isWhole: boolean;
}

/**
 * What comes beside the answer is left out first, and is not missed (RFC 2181, 9); of the answer the records
 * that fit stay, for clients that do not ask again. Where nothing is the answer, the authority's word is it.
 */
function fitting({ bytes, recordEnds }: UpstreamReply, room: number): Fitting {
  const answers = bytes.readUInt16BE(6);
  const authorities = bytes.readUInt16BE(8);
  const additionals = bytes.readUInt16BE(10);
  const fit = recordEnds.findIndex((end) => end > room);
  const most = fit === -1 ? recordEnds.length : fit;
  if (most === answers + authorities + additionals)
    return { counts: [answers, authorities, additionals], isWhole: true };
  if (most >= answers + authorities) return { counts: [answers, authorities, 0], isWhole: true };
  if (most >= answers) return { counts: [answers, 0, 0], isWhole: answers > 0 };
  return { counts: [most, 0, 0], isWhole: false };
}

/** What we ask an upstream for a client's query: its question, under an id of ours. */
export function upstreamQuery(query: Query, id: number, withEdns: boolean): Buffer {
  const { question } = query;
  const length = headerBytes + question.length;
  const packet = Buffer.alloc(length + (withEdns ? optBytes : 0));
  const own = query.flags & (flags.checkingDisabled | flags.authentic);
  packet.writeUInt16BE(id, 0);
  packet.writeUInt16BE(flags.recursionDesired | own, 2);
  packet.writeUInt16BE(1, 4);
  question.copy(packet, headerBytes);
  if (withEdns) {
    packet.writeUInt16BE(1, 10);
    writeOpt(packet, length, { signatures: query.edns?.signatures === true });
  }
  return packet;
}
