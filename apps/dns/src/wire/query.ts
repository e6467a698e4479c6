import { readQuestionName, skipName } from './names.ts';
import { badVersion, classes, flags, headerBytes, rcodes, types } from './protocol.ts';

/** Records beside the question that a query may have; one OPT is the rule. */
const recordsMax = 16;
/** Of a record after its name: type, class, TTL and length. */
const recordHeadBytes = 10;
const opcodeBits = 0x7800;
const ednsOkBit = 0x8000;

/** A well-formed question of a client. */
export interface Query {
  readonly id: number;
  /** Second word of its header. */
  readonly flags: number;
  /** Canonical, see `readQuestionName`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it came, name and all: answers repeat it. */
  readonly question: Buffer;
  readonly edns: Edns | undefined;
}

export interface Edns {
  /** Longest answer over UDP that the client takes, bytes, as it says. */
  readonly udpBytes: number;
  /** It wants signatures (DO). */
  readonly signatures: boolean;
}

export type ParsedQuery =
  | { readonly kind: 'query'; readonly query: Query }
  /** Whoever sent it gets no more than a header back. */
  | { readonly kind: 'error'; readonly id: number; readonly flags: number; readonly rcode: number }
  /** An answer, or no message at all: answering could only do harm. */
  | { readonly kind: 'drop' };

/** Reads what a client sent; never throws, and looks at each byte once. */
export function parseQuery(packet: Buffer): ParsedQuery {
  if (packet.length < headerBytes) return { kind: 'drop' };
  const id = packet.readUInt16BE(0);
  const bits = packet.readUInt16BE(2);
  if ((bits & flags.response) !== 0) return { kind: 'drop' };
  const error = (rcode: number): ParsedQuery => ({ kind: 'error', id, flags: bits, rcode });
  if ((bits & opcodeBits) !== 0) return error(rcodes.notImplemented);
  const questions = packet.readUInt16BE(4);
  const answers = packet.readUInt16BE(6);
  if (questions !== 1 || answers !== 0) return error(rcodes.formatError);
  const read = readQuestionName(packet, headerBytes);
  if (read === undefined || read.end + 4 > packet.length) return error(rcodes.formatError);
  const end = read.end + 4;
  const edns = readEdns(packet, end);
  if (edns === 'malformed') return error(rcodes.formatError);
  if (edns === 'version') return error(badVersion);
  const query: Query = {
    id,
    flags: bits,
    name: read.name,
    type: packet.readUInt16BE(read.end),
    class: packet.readUInt16BE(read.end + 2),
    question: packet.subarray(headerBytes, end),
    edns,
  };
  return { kind: 'query', query };
}

function readEdns(packet: Buffer, start: number): Edns | undefined | 'malformed' | 'version' {
  const count = packet.readUInt16BE(8) + packet.readUInt16BE(10);
  if (count > recordsMax) return 'malformed';
  let at = start;
  let edns: Edns | undefined | 'version';
  for (let record = 0; record < count; record += 1) {
    const nameAt = at;
    const head = skipName(packet, nameAt);
    if (head === undefined || head + recordHeadBytes > packet.length) return 'malformed';
    at = head + recordHeadBytes + packet.readUInt16BE(head + 8);
    if (at > packet.length) return 'malformed';
    if (packet.readUInt16BE(head) !== types.OPT) continue;
    // One at most, and of the root (RFC 6891, 6.1.1).
    if (edns !== undefined || packet[nameAt] !== 0) return 'malformed';
    const version = packet[head + 5];
    const signatures = (packet.readUInt16BE(head + 6) & ednsOkBit) !== 0;
    edns = version === 0 ? { udpBytes: packet.readUInt16BE(head + 2), signatures } : 'version';
  }
  return edns;
}

/** Whether the question is about the Internet, as all names are that anybody serves. */
export function isInternet(query: Query): boolean {
  return query.class === classes.IN || query.class === classes.ANY;
}
