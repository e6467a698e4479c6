import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { EntryPayload } from '@shoal/proto/entry';
import type { LogIndex } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import {
  decodePayload,
  decodeTransaction,
  encodePayload,
  encodeTransaction,
  State,
  type StateObject,
  stateSchema,
  type TableName,
} from '../index.ts';
import { tableOrder } from '../tables/state-tables.ts';
import { imageOf, restored } from '../testing/bytes.ts';
import { recordedHistory, recordedOutcomes } from '../testing/recorded-history.ts';

/**
 * Entries and a snapshot as builds of before wrote them: what is in a log is read for ever, and voters of different
 * versions must make the same of it. `RECORD=1 vitest run src/codec/recorded.test.ts` makes the recording of
 * this schema and history, if there is none; see testdata/README.md.
 */
const testdata = fileURLToPath(new URL('../../testdata/', import.meta.url));
const today = `schema-${stateSchema}-entries-${recordedHistory.length}`;

interface Recorded {
  readonly folder: string;
  readonly payloads: readonly Buffer[];
  readonly snapshot: Buffer;
}

/** Both are frames, a length and that many bytes: of entries each a payload. */
function readRecording(folder: string): Recorded {
  const read = (file: string): Buffer => gunzipSync(readFileSync(join(testdata, folder, file)));
  return { folder, payloads: framesOf(read('entries.gz')), snapshot: read('snapshot.gz') };
}

function framesOf(bytes: Buffer): readonly Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return frames;
}

function framed(payload: Buffer): readonly Buffer[] {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return [length, payload];
}

function payloadOf(entry: (typeof recordedHistory)[number]): Uint8Array {
  return encodePayload(entry.time, entry.transactions.map(encodeTransaction));
}

function record(folder: string): void {
  const payloads = recordedHistory.map((entry) => Buffer.from(payloadOf(entry)));
  const state = new State();
  for (const [at, payload] of payloads.entries()) state.apply((at + 1) as LogIndex, payload);
  mkdirSync(folder);
  writeFileSync(join(folder, 'entries.gz'), gzipSync(Buffer.concat(payloads.flatMap(framed))));
  writeFileSync(join(folder, 'snapshot.gz'), gzipSync(imageOf(state)));
}

if (process.env['RECORD'] === '1' && !existsSync(join(testdata, today)))
  record(join(testdata, today));

const recordings = readdirSync(testdata)
  .filter((name) => name.startsWith('schema-'))
  .map(readRecording);

type Objects = Readonly<Record<TableName, readonly StateObject[]>>;

/** Of a snapshot, read by the description of its format alone. */
function contentsOf(image: Buffer): readonly unknown[] {
  return framesOf(image).map((frame) => JSON.parse(frame.toString()));
}

function objectsIn(image: Buffer): Objects {
  const records = contentsOf(image).slice(1, -1) as { table: TableName; object: StateObject }[];
  return byTable((table) =>
    records.filter((one) => one.table === table).map(({ object }) => object),
  );
}

function objectsOf({ view }: State): Objects {
  const tables = {
    cluster: { values: () => (view.cluster === undefined ? [] : [view.cluster]) },
    ...{ node: view.nodes, network: view.networks, service: view.services },
    ...{ revision: view.revisions, task: view.tasks, lease: view.leases },
    ...{ volumeHome: view.volumeHomes, attachment: view.attachments },
    ...{ secret: view.secrets, config: view.configs },
  };
  return byTable((table) => [...tables[table].values()]);
}

function byTable(objects: (table: TableName) => readonly StateObject[]): Objects {
  return Object.fromEntries(tableOrder.map((table) => [table, objects(table)])) as Objects;
}

/** The one thing that the state machine itself has added to an object since schema 1. */
function asBeforeFacts(node: StateObject): StateObject {
  return { ...node, factsChangedAt: undefined } as StateObject;
}

/** Each byte a character: what differs can be read. */
function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function json(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe.each(recordings)('what was recorded in $folder', ({ folder, payloads, snapshot }) => {
  const schema = Number(folder.split('-')[1]);
  const entries = payloads.map((payload, at) => ({ number: at + 1, payload }));

  test.each(entries)('entry $number says what was said', ({ number, payload }) => {
    expect(EntryPayload.decode(payload).schema).toBe(schema);
    const decoded = decodePayload(payload);
    if (decoded.kind !== 'ok') throw new Error(decoded.message);
    const said = recordedHistory[number - 1];
    expect(decoded.time).toBe(said?.time);
    const transactions = decoded.transactions.map(decodeTransaction);
    expect(transactions).toEqual(
      said?.transactions.map((one) => ({ kind: 'ok', transaction: json(one) })),
    );
  });

  test('the entries have the outcomes they had, and lead to the state that was recorded', () => {
    const state = new State();
    for (const { number, payload } of entries) {
      const { outcomes } = state.apply(number as LogIndex, payload);
      expect(outcomes).toEqual(recordedOutcomes(number));
    }
    const { node, ...others } = objectsOf(state);
    const known = schema === 1 ? node.map(asBeforeFacts) : node;
    expect({ node: known, ...others }).toEqual(objectsIn(snapshot));
    const copy = restored(snapshot);
    expect(state.view.usage('n2')).toMatchObject({ tasks: 1, nanoCpus: 5e8, memoryBytes: 2 ** 27 });
    expect(copy.view.usage('n2')).toEqual(state.view.usage('n2'));
    expect(copy.view.vnis).toEqual(state.view.vnis);
    expect(copy.view.ingressPorts).toEqual(state.view.ingressPorts);
  });

  test('the snapshot is restored as it is, and the log goes on from there', () => {
    const state = restored(snapshot);
    const last = payloads.length;
    expect(contentsOf(snapshot)[0]).toEqual({
      ...{ format: 'shoal-state', schema, index: last },
      time: recordedHistory[last - 1]?.time,
    });
    expect(state.view.index).toBe(last);
    expect(state.time).toBe(recordedHistory[last - 1]?.time);
    expect(objectsOf(state)).toEqual(objectsIn(snapshot));
    for (const [at, entry] of recordedHistory.slice(last).entries()) {
      const number = last + 1 + at;
      const { outcomes } = state.apply(number as LogIndex, payloadOf(entry));
      expect(outcomes).toEqual(recordedOutcomes(number));
    }
  });
});

describe("today's build", () => {
  const newest = recordings.find(({ folder }) => folder === today);

  test('writes what was recorded, to the byte', () => {
    const written = recordedHistory.map((entry) => text(payloadOf(entry)));
    expect(newest?.payloads.map(text)).toEqual(written);
    const state = new State();
    for (const [at, entry] of recordedHistory.entries())
      state.applyTransactions((at + 1) as LogIndex, entry.time, entry.transactions);
    expect(newest && text(newest.snapshot)).toBe(text(imageOf(state)));
  });

  test('has no table, and no change of one, that was not recorded', () => {
    const changes = recordedHistory.flatMap(({ transactions }) =>
      transactions.flatMap((transaction) => transaction.changes),
    );
    const found = new Set(changes.map(({ op, table }) => `${op} ${table}`));
    const all = tableOrder.flatMap((table) =>
      ['create', 'update', 'delete'].map((op) => `${op} ${table}`),
    );
    expect(all.filter((one) => !found.has(one))).toEqual([]);
    const objects = newest && objectsIn(newest.snapshot);
    expect(tableOrder.filter((table) => (objects?.[table].length ?? 0) === 0)).toEqual([]);
  });
});
