import { digestOf } from '../digest.ts';

/** Longest value, bytes. Values that do not fit a packet spread by push and by sync alone. */
export const valueBytesMax = 8_192;
/** Longest record that fits a packet with all that goes along, bytes. */
export const newsRecordBytesMax = 1_050;
/** Latest Lamport time: far from where numbers are no longer exact. */
export const timeMax = 2 ** 52;

/** One record as hosts tell it to each other. Only its owner writes it. */
export interface TableRecord {
  /** Node id. */
  readonly owner: string;
  /** Unique among the owner's records of the table. */
  readonly id: string;
  /** Lamport time of the owner's writing. */
  readonly time: number;
  /** Undefined: the owner has withdrawn it. */
  readonly value: Uint8Array | undefined;
  /** Since the owner wrote it, as far as those who passed it on can tell. */
  readonly ageMs: number;
}

/** Tags, lengths and numbers of a record. */
const recordFixedBytes = 40;

/** At most so many bytes does the record take in a message. */
export function recordBytes({ owner, id, value }: TableRecord): number {
  const texts = Buffer.byteLength(owner) + Buffer.byteLength(id);
  return texts + (value?.length ?? 0) + recordFixedBytes;
}

/** Whether others can be told of it by packets. Longer ones spread by push and by sync alone. */
export function isNews(record: TableRecord): boolean {
  return recordBytes(record) <= newsRecordBytesMax;
}

/** What is said of the records of one table; the empty name is that of {@link hostsTable}. */
export interface TableNews {
  readonly network: string;
  readonly records: readonly TableRecord[];
}

/** The table that all hosts hold: which host is in which network. The id of a record is the network's. */
export const hostsTable = '';

type Version = Pick<TableRecord, 'time' | 'value'>;

/**
 * Negative when `a` is older than `b`, 0 when they are the same. Of one time, which only an owner that
 * forgot its clock writes twice, the withdrawal is newer, and then the greater value: all hosts agree.
 */
export function compareVersions(a: Version, b: Version): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.value === undefined || b.value === undefined)
    return Number(a.value === undefined) - Number(b.value === undefined);
  return Buffer.compare(a.value, b.value);
}

export function sameValue(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}

export function recordKey(owner: string, id: string): string {
  return `${owner}\0${id}`;
}

/** A record's part in the digest of its table. */
export function recordHash(owner: string, id: string, { time, value }: Version): bigint {
  return digestOf(`${owner}\0${id}\0${time}\0`, value ?? '');
}
