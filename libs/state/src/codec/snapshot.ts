import { errorMessage, type Instant, type LogIndex } from '@shoal/runtime';
import { Adoption } from '../adoption.ts';
import type { Meta, StateObject, TableName, Tables } from '../objects.ts';
import { StateTables, tableOrder } from '../tables/state-tables.ts';
import {
  isKnownSchema,
  StateFormatError,
  stateSchema,
  transactionBytesMax,
  unknownSchema,
} from './format.ts';
import { type Fields, isCount, isFields, isTableName, objectFault } from './structure.ts';

/*
 * A snapshot is a sequence of frames, each a length (4 bytes, big endian) and that many bytes of
 * UTF-8 JSON: a header { format, schema, index, time }, a record { table, object } for each object
 * in order of creation, and a trailer { records }. Chunks cut the sequence anywhere.
 */

/** Largest chunk of a snapshot, bytes. */
export const snapshotChunkBytes = 256 * 1024;
/** An object came in a transaction; what the state machine adds to it is far less than this doubles. */
const frameBytesMax = 2 * transactionBytesMax;
const lengthBytes = 4;
const format = 'shoal-state';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The image is taken at the call; the chunks are made as they are asked for. */
export function encodeSnapshot(
  tables: StateTables,
  index: LogIndex,
  time: Instant,
): Iterable<Uint8Array> {
  // Objects are immutable, so references to them are a consistent image.
  const image = tableOrder.map((table) => [table, [...tables.of(table).values()]] as const);
  return {
    [Symbol.iterator]: () => chunked(frames({ format, schema: stateSchema, index, time }, image)),
  };
}

function* frames(
  header: object,
  image: readonly (readonly [TableName, readonly StateObject[]])[],
): IterableIterator<Uint8Array> {
  let records = 0;
  yield frame(header);
  for (const [table, objects] of image)
    for (const object of objects) {
      records += 1;
      yield frame({ table, object });
    }
  yield frame({ records });
}

function frame(content: object): Uint8Array {
  const json = encoder.encode(JSON.stringify(content));
  const bytes = new Uint8Array(lengthBytes + json.length);
  new DataView(bytes.buffer).setUint32(0, json.length);
  bytes.set(json, lengthBytes);
  return bytes;
}

function* chunked(parts: Iterable<Uint8Array>): IterableIterator<Uint8Array> {
  let chunk = new Uint8Array(snapshotChunkBytes);
  let filled = 0;
  for (const part of parts)
    for (let taken = 0; taken < part.length; ) {
      const piece = part.subarray(taken, taken + snapshotChunkBytes - filled);
      chunk.set(piece, filled);
      taken += piece.length;
      filled += piece.length;
      if (filled < snapshotChunkBytes) continue;
      yield chunk;
      chunk = new Uint8Array(snapshotChunkBytes);
      filled = 0;
    }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** A whole state, as read from a snapshot. */
export interface Restored {
  readonly tables: StateTables;
  readonly adoption: Adoption;
  readonly index: LogIndex;
  readonly time: Instant;
}

/** Reads a snapshot chunk by chunk. Holds at most one incomplete frame besides the state it builds. */
export class SnapshotReader {
  readonly #tables = new StateTables();
  readonly #adoption = new Adoption();
  #rest: Uint8Array = new Uint8Array(0);
  #header: { readonly index: LogIndex; readonly time: Instant } | undefined;
  #records = 0;
  #complete = false;

  /** @throws StateFormatError */
  push(chunk: Uint8Array): void {
    const bytes = joined(this.#rest, chunk);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= lengthBytes) {
      const length = view.getUint32(at);
      if (length > frameBytesMax) throw malformed(`a frame of ${length} bytes`);
      const end = at + lengthBytes + length;
      if (end > bytes.length) break;
      this.#frame(bytes.subarray(at + lengthBytes, end));
      at = end;
    }
    this.#rest = bytes.slice(at);
  }

  /** @throws StateFormatError when the snapshot is not whole. */
  finish(): Restored {
    if (this.#header === undefined || !this.#complete || this.#rest.length > 0)
      throw malformed('it is cut off');
    return { tables: this.#tables, adoption: this.#adoption, ...this.#header };
  }

  #frame(json: Uint8Array): void {
    if (this.#complete) throw malformed('there is more after its end');
    const content = parsed(json);
    if (this.#header === undefined) this.#header = headerOf(content);
    else if (content['table'] === undefined) this.#end(content['records']);
    else this.#record(content['table'], content['object']);
  }

  #end(records: unknown): void {
    if (records !== this.#records)
      throw malformed(`it has ${this.#records} records and says ${String(records)}`);
    this.#complete = true;
  }

  #record(table: unknown, object: unknown): void {
    if (!isTableName(table)) throw malformed(`unknown table ${String(table)}`);
    const fault = objectFault(table, object);
    if (fault !== undefined) throw malformed(fault);
    this.#insert(table, object as Tables[typeof table]);
    this.#records += 1;
  }

  #insert<T extends TableName>(table: T, object: Tables[T]): void {
    const { id } = object;
    if (this.#tables.of(table).get(id) !== undefined) throw malformed(`${table} ${id} comes twice`);
    const { version, createdAt, updatedAt } = metaOf(object.meta, id);
    const meta = this.#adoption.meta(version, createdAt, updatedAt);
    this.#tables.insert(table, this.#adoption.adopt(table, object, undefined, meta));
  }
}

function joined(rest: Uint8Array, chunk: Uint8Array): Uint8Array {
  if (rest.length === 0) return chunk;
  const bytes = new Uint8Array(rest.length + chunk.length);
  bytes.set(rest);
  bytes.set(chunk, rest.length);
  return bytes;
}

function parsed(json: Uint8Array): Fields {
  let content: unknown;
  try {
    content = JSON.parse(decoder.decode(json));
  } catch (error) {
    throw malformed(errorMessage(error));
  }
  if (!isFields(content)) throw malformed('a frame is no object');
  return content;
}

function headerOf({ format: name, schema, index, time }: Fields): {
  index: LogIndex;
  time: Instant;
} {
  if (name !== format) throw malformed('the header is missing');
  if (!isKnownSchema(schema))
    throw new StateFormatError('unknown-schema', unknownSchema('snapshot', schema));
  if (!isCount(index) || !isCount(time)) throw malformed('index or time is missing');
  return { index: index as LogIndex, time: time as Instant };
}

function metaOf(meta: unknown, id: string): Meta {
  const whole =
    isFields(meta) &&
    isCount(meta['version']) &&
    isCount(meta['createdAt']) &&
    isCount(meta['updatedAt']);
  if (!whole) throw malformed(`${id} has no meta`);
  return meta as unknown as Meta;
}

function malformed(what: string): StateFormatError {
  return new StateFormatError('malformed', `the snapshot cannot be read: ${what}`);
}
