import { invariant } from '@shoal/runtime';
import {
  badVersion,
  flags,
  headerBytes,
  optBytes,
  plainUdpBytes,
  rcodes,
  tcpBytesMax,
  types,
  udpBytesMax,
} from './protocol.ts';
import type { Query } from './query.ts';

/** A record of our own; names are canonical and can be written on the wire. */
export type ResourceRecord =
  | {
      readonly kind: 'address';
      readonly name: string;
      readonly ttlSeconds: number;
      /** Four bytes or sixteen. */
      readonly address: Uint8Array;
    }
  | {
      readonly kind: 'pointer';
      readonly name: string;
      readonly ttlSeconds: number;
      readonly target: string;
    }
  | {
      readonly kind: 'service';
      readonly name: string;
      readonly ttlSeconds: number;
      readonly port: number;
      readonly target: string;
    };

export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
}

export type Transport = 'udp' | 'tcp';

/** Offsets that a pointer can name. */
const pointerOffsetMax = 0x3fff;
const pointerBits = 0xc000;
const copiedFlags = flags.recursionDesired | flags.checkingDisabled;
const opcodeBits = 0x7800;
const ednsOkBits = 0x8000;

/** Longest answer that the client of a query takes, bytes. */
export function replyBytesMax(query: Query, transport: Transport): number {
  if (transport === 'tcp') return tcpBytesMax;
  const wanted = query.edns?.udpBytes ?? plainUdpBytes;
  return Math.min(Math.max(wanted, plainUdpBytes), udpBytesMax);
}

/** Writes an OPT record without options; gives the offset after it. */
export function writeOpt(
  into: Buffer,
  at: number,
  options: { readonly signatures: boolean; readonly extendedRcode?: number },
): number {
  into.writeUInt8(0, at);
  into.writeUInt16BE(types.OPT, at + 1);
  into.writeUInt16BE(udpBytesMax, at + 3);
  into.writeUInt8(options.extendedRcode ?? 0, at + 5);
  into.writeUInt8(0, at + 6);
  into.writeUInt16BE(options.signatures ? ednsOkBits : 0, at + 7);
  into.writeUInt16BE(0, at + 9);
  return at + optBytes;
}

/** The answer to something that could not be read: a header, for an unknown EDNS version with ours. */
export function errorReply(id: number, bits: number, rcode: number): Buffer {
  const extended = rcode === badVersion;
  const reply = Buffer.alloc(headerBytes + (extended ? optBytes : 0));
  reply.writeUInt16BE(id, 0);
  const kept = bits & (opcodeBits | copiedFlags);
  reply.writeUInt16BE(flags.response | flags.recursionAvailable | kept | (rcode & 0xf), 2);
  if (!extended) return reply;
  reply.writeUInt16BE(1, 10);
  writeOpt(reply, headerBytes, { signatures: false, extendedRcode: rcode >> 4 });
  return reply;
}

/** Writes replies with compressed names, into memory that it keeps. */
export class ReplyWriter {
  readonly #bytes = Buffer.allocUnsafe(tcpBytesMax);
  /** Where a name or the end of one stands already, by canonical name. */
  readonly #offsets = new Map<string, number>();
  #at = 0;
  #limit = 0;

  /**
   * The reply to `query`. Answers that do not fit are left out and the reply is marked as truncated, so
   * that the client comes back over TCP; additional records that do not fit are just left out.
   */
  write(query: Query, reply: Reply, transport: Transport): Buffer {
    const { edns } = query;
    this.#limit = replyBytesMax(query, transport) - (edns === undefined ? 0 : optBytes);
    this.#begin(query);
    const answers = this.#records(reply.answers);
    const truncated = answers < reply.answers.length;
    const additionals = truncated ? 0 : this.#records(reply.additionals);
    const bytes = this.#bytes;
    const bits = [
      flags.response | flags.recursionAvailable,
      query.flags & copiedFlags,
      reply.authoritative ? flags.authoritative : 0,
      truncated ? flags.truncated : 0,
      reply.rcode,
    ];
    bytes.writeUInt16BE(query.id, 0);
    bytes.writeUInt16BE(
      bits.reduce((all, some) => all | some, 0),
      2,
    );
    bytes.writeUInt16BE(1, 4);
    bytes.writeUInt16BE(answers, 6);
    bytes.writeUInt16BE(0, 8);
    bytes.writeUInt16BE(additionals + (edns === undefined ? 0 : 1), 10);
    if (edns !== undefined) this.#at = writeOpt(bytes, this.#at, edns);
    return Buffer.from(bytes.subarray(0, this.#at));
  }

  #begin(query: Query): void {
    query.question.copy(this.#bytes, headerBytes);
    this.#at = headerBytes + query.question.length;
    invariant(this.#at <= this.#limit, 'a question is longer than the shortest reply');
    this.#offsets.clear();
    // A dot within a label would make the parts of the name mean something else.
    if (!query.name.includes('\\')) this.#remember(query.name, headerBytes);
  }

  /** How many of the records fit. */
  #records(records: readonly ResourceRecord[]): number {
    for (let at = 0; at < records.length; at += 1) {
      const record = records[at];
      const start = this.#at;
      if (record === undefined || this.#record(record)) continue;
      this.#at = start;
      // What the record would have brought must not be pointed at.
      for (const [name, offset] of this.#offsets) {
        if (offset >= start) this.#offsets.delete(name);
      }
      return at;
    }
    return records.length;
  }

  #record(record: ResourceRecord): boolean {
    if (!this.#name(record.name) || !this.#room(10)) return false;
    const bytes = this.#bytes;
    const head = this.#at;
    bytes.writeUInt16BE(typeOf(record), head);
    bytes.writeUInt16BE(1, head + 2);
    bytes.writeUInt32BE(record.ttlSeconds, head + 4);
    this.#at = head + 10;
    if (!this.#data(record)) return false;
    bytes.writeUInt16BE(this.#at - head - 10, head + 8);
    return true;
  }

  #data(record: ResourceRecord): boolean {
    switch (record.kind) {
      case 'address':
        if (!this.#room(record.address.length)) return false;
        this.#bytes.set(record.address, this.#at);
        this.#at += record.address.length;
        return true;
      case 'pointer':
        return this.#name(record.target);
      case 'service':
        if (!this.#room(6)) return false;
        // Priority and weight: all are alike.
        this.#bytes.writeUInt32BE(0, this.#at);
        this.#bytes.writeUInt16BE(record.port, this.#at + 4);
        this.#at += 6;
        return this.#wholeName(record.target);
    }
  }

  #room(bytes: number): boolean {
    return this.#at + bytes <= this.#limit;
  }

  #name(name: string): boolean {
    let rest = name;
    while (rest !== '') {
      const offset = this.#offsets.get(rest);
      if (offset !== undefined) return this.#pointer(offset);
      if (this.#at <= pointerOffsetMax) this.#offsets.set(rest, this.#at);
      const dot = rest.indexOf('.');
      const label = dot < 0 ? rest : rest.slice(0, dot);
      if (!this.#label(label)) return false;
      rest = dot < 0 ? '' : rest.slice(dot + 1);
    }
    return this.#label('');
  }

  /** Targets of services are not compressed (RFC 2782). */
  #wholeName(name: string): boolean {
    const start = this.#at;
    for (const label of name.split('.')) if (!this.#label(label)) return false;
    if (!this.#label('')) return false;
    if (start <= pointerOffsetMax) this.#remember(name, start);
    return true;
  }

  #label(label: string): boolean {
    if (!this.#room(label.length + 1)) return false;
    this.#bytes.writeUInt8(label.length, this.#at);
    this.#bytes.write(label, this.#at + 1, 'latin1');
    this.#at += label.length + 1;
    return true;
  }

  #pointer(offset: number): boolean {
    if (!this.#room(2)) return false;
    this.#bytes.writeUInt16BE(pointerBits | offset, this.#at);
    this.#at += 2;
    return true;
  }

  /** `name` and all ends of it stand at `start`, uncompressed. */
  #remember(name: string, start: number): void {
    let rest = name;
    let at = start;
    while (rest !== '' && at <= pointerOffsetMax) {
      if (!this.#offsets.has(rest)) this.#offsets.set(rest, at);
      const dot = rest.indexOf('.');
      if (dot < 0) return;
      rest = rest.slice(dot + 1);
      at += dot + 1;
    }
  }
}

function typeOf(record: ResourceRecord): number {
  switch (record.kind) {
    case 'address':
      return record.address.length === 4 ? types.A : types.AAAA;
    case 'pointer':
      return types.PTR;
    case 'service':
      return types.SRV;
  }
}

/** A reply without records. */
export function emptyReply(rcode: number, authoritative: boolean): Reply {
  return { rcode, authoritative, answers: [], additionals: [] };
}

export const noErrorEmpty = emptyReply(rcodes.noError, true);
