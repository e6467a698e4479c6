import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invariant, type LogIndex, type Random, silentLogger, type Term } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CipherKey, recordCipher } from '../cipher.ts';
import { decodeMembership, encodeMembership } from '../core/membership.ts';
import { fileSystem } from '../disk/file-system.ts';
import { CorruptStorageError, type LogStorage, type Recovered } from '../storage.ts';
import type { Entry, HardState, Member, Membership, SnapshotMeta, VoterId } from '../types.ts';
import { openLogStorage } from './log-storage.ts';

/**
 * Logs as builds of before left them on their disks: today's code finds in a copy of each exactly what was
 * written, goes on writing it, and finds that too. `RECORD=1 vitest run src/wal/recorded-logs.test.ts` makes
 * the recordings that are missing; see testdata/README.md.
 */
const testdata = fileURLToPath(new URL('../../testdata/', import.meta.url));
const recording = process.env['RECORD'] === '1';
const segmentBytes = 1_024;

let state = 1;
/** Salts and nonces: the same for each log, so that a recording made again is the same. */
const random: Random = {
  next: () => 0.5,
  bytes: (count) =>
    Uint8Array.from({ length: count }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state & 0xff;
    }),
};
let directory: string;
beforeEach(() => {
  state = 1;
  directory = mkdtempSync(join(tmpdir(), 'shoal-recorded-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(keys: readonly CipherKey[]): Promise<LogStorage> {
  const options = { directory, disk: fileSystem, random, logger: silentLogger, segmentBytes };
  return openLogStorage({
    ...options,
    ...(keys.length > 0 && { cipher: recordCipher(keys, random) }),
  });
}

const key = (number: number): CipherKey => ({ number, key: Buffer.alloc(32, number) });
const index = (number: number): LogIndex => number as LogIndex;
const term = (number: number): Term => number as Term;
const voter = (number: number): VoterId => number as VoterId;

/** The numbers of voters are random, of 53 bits. */
const first: Member = { id: voter(0x1f_ffff_ffff_ffc5), nodeId: 'node-1', addr: '10.0.0.1:2377' };
const second: Member = { id: voter(0x0a_bcde_f012_3456), nodeId: 'node-2', addr: '[fd00::2]:2377' };
const alone: Membership = { voters: [first], learners: [] };
const joined: Membership = { voters: [first], learners: [second] };

function hard(inTerm: number, vote: VoterId | 0, commit: number): HardState {
  return { term: term(inTerm), vote, commit: index(commit) };
}

function entry(at: number, inTerm: number, text: string): Entry {
  return { index: index(at), term: term(inTerm), kind: 'normal', data: Buffer.from(text) };
}

/** Long enough for several segments. */
function long(at: number): Entry {
  return entry(at, 1, `entry ${at} `.padEnd(300, '.'));
}

/** Who keeps the log, as an entry says it: read by all builds that there ever were since. */
const joinedText =
  '{"voters":[{"id":9007199254740933,"nodeId":"node-1","addr":"10.0.0.1:2377"}],' +
  '"learners":[{"id":3022415463593046,"nodeId":"node-2","addr":"[fd00::2]:2377"}]}';
const begun: Entry = { index: index(1), term: term(1), kind: 'empty', data: Buffer.alloc(0) };
const joining: Entry = {
  ...{ index: index(5), term: term(1), kind: 'membership' },
  data: Buffer.from(joinedText),
};
const atFour: SnapshotMeta = { index: index(4), term: term(1), membership: alone };
const atFive: SnapshotMeta = { index: index(5), term: term(3), membership: joined };

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function content(log: LogStorage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of log.readSnapshot()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function store(
  log: LogStorage,
  hardState: HardState,
  ...entries: readonly Entry[]
): Promise<void> {
  expect(await log.store({ hardState, entries })).toEqual({ kind: 'stored' });
}

/** A leader: a snapshot, a member that joins, and two entries that those of a newer leader replaced. */
async function writeLeadersLog(log: LogStorage, then: readonly CipherKey[]): Promise<void> {
  await store(log, hard(1, first.id, 0), begun);
  for (const at of [2, 3, 4]) await store(log, hard(1, first.id, at - 1), long(at));
  await log.saveSnapshot(atFour, pieces('state ', 'at 4'));
  // Where keys change, both are in use in what is recorded; else what the snapshot covers goes.
  if (then.length > 0) log.rotate(recordCipher(then, random));
  else await log.compact(index(4));
  await store(log, hard(1, first.id, 4), joining);
  await store(log, hard(2, second.id, 5), entry(6, 2, 'six'), entry(7, 2, 'lost'), long(8));
  await store(log, hard(3, 0, 6), entry(7, 3, 'seven'));
  await store(log, hard(3, first.id, 7));
}

/** A follower that had entries of its own when a leader sent it a snapshot in their place. */
async function writeReplacedLog(log: LogStorage): Promise<void> {
  await store(log, hard(1, second.id, 0), begun);
  await store(log, hard(2, 0, 1), ...[2, 3, 4, 5, 6, 7].map((at) => entry(at, 2, `lost ${at}`)));
  await log.saveSnapshot(atFive, pieces('state at 5'), 'replacing');
  await store(log, hard(3, 0, 5), entry(6, 3, 'six'));
}

interface Recording {
  /** In testdata. */
  readonly folder: string;
  /** What opens all of it; none for a plain one. */
  readonly keys: readonly CipherKey[];
  readonly write: (log: LogStorage) => Promise<void>;
  readonly holds: Recovered;
  readonly content: string;
}

const leader = {
  holds: {
    hardState: hard(3, first.id, 7),
    snapshot: atFour,
    entries: [joining, entry(6, 2, 'six'), entry(7, 3, 'seven')],
  },
  content: 'state at 4',
};

/** By what they are. A new version of a format adds rows; those that are there stay as they are. */
const recordings: readonly Recording[] = [
  {
    ...leader,
    folder: 'wal-plain',
    keys: [],
    write: (log) => writeLeadersLog(log, []),
  },
  {
    ...leader,
    folder: 'wal-encrypted',
    keys: [key(1), key(2)],
    write: (log) => writeLeadersLog(log, [key(1), key(2)]),
  },
  {
    folder: 'wal-replaced-by-snapshot',
    keys: [],
    write: writeReplacedLog,
    holds: {
      hardState: hard(3, 0, 5),
      snapshot: atFive,
      entries: [entry(6, 3, 'six')],
    },
    content: 'state at 5',
  },
];

function copy(folder: string): void {
  cpSync(join(testdata, folder), directory, { recursive: true });
}

/** Magic and version of every kind of file in the folder. */
function formats(folder: string): readonly string[] {
  const heads = readdirSync(folder)
    .filter((name) => /\.wal$|^snapshot-/.test(name))
    .map((name) => readFileSync(join(folder, name)))
    .map((bytes) => `${bytes.toString('latin1', 0, 8)} ${bytes.readUInt32LE(8)}`);
  return [...new Set(heads)].sort();
}

/** Opened, written, compacted and opened again. */
async function goesOn(keys: readonly CipherKey[], holds: Recovered): Promise<void> {
  const log = await open(keys);
  const last = holds.entries.at(-1);
  invariant(last !== undefined, 'every recording ends with an entry');
  const further = Array.from({ length: 5 }, (_, at) => long(last.index + 1 + at)).map((one) => ({
    ...one,
    term: term(9),
  }));
  for (const one of further) await store(log, hard(9, second.id, last.index), one);
  await log.saveSnapshot(
    { index: last.index, term: last.term, membership: joined },
    pieces('later'),
  );
  await log.compact(last.index);
  await log.close();
  const again = await open(keys);
  expect(again.recovered).toEqual({
    hardState: hard(9, second.id, last.index),
    snapshot: { index: last.index, term: last.term, membership: joined },
    entries: further,
  });
  expect(await content(again)).toBe('later');
  await again.close();
}

describe.each(recordings)('the recorded log $folder', (recorded) => {
  const { folder, keys, write, holds } = recorded;
  const source = join(testdata, folder);
  if (recording && !existsSync(source))
    test('is recorded', async () => {
      const log = await open(keys.slice(0, 1));
      await write(log);
      await log.close();
      cpSync(directory, source, { recursive: true });
    });

  test('holds exactly what was written', async () => {
    copy(folder);
    const log = await open(keys);
    expect(log.recovered).toEqual(holds);
    expect(await content(log)).toBe(recorded.content);
    await log.close();
  });

  test('can be written on', async () => {
    copy(folder);
    await goesOn(keys, holds);
  });
});

test.each(recordings)("today's build writes $folder in formats that are recorded", async (one) => {
  const log = await open(one.keys.slice(0, 1));
  await one.write(log);
  await log.close();
  const recorded = recordings.map(({ folder }) => formats(join(testdata, folder)));
  expect(recorded).toContainEqual(formats(directory));
});

test('who keeps the log is read from an entry, and told there in the same words', () => {
  expect(decodeMembership(Buffer.from(joinedText))).toEqual(joined);
  const told: unknown = JSON.parse(Buffer.from(encodeMembership(joined)).toString());
  expect(told).toMatchObject(JSON.parse(joinedText));
});

/**
 * Of the morning of 2026-11-21, before snapshots named more of a voter than its number. They have version 2
 * since 187b1ea of that day, an hour before this log was committed, and version 1 is not read any more.
 */
describe('the recorded log wal-v1', () => {
  const snapshot = 'snapshot-0000000000000004-0000000000000001';
  const holds: Recovered = {
    hardState: hard(3, voter(0xffff_ffff_ffc5), 5),
    snapshot: undefined,
    entries: [begun, ...[2, 3, 4, 5].map(long), entry(6, 3, 'six again'), entry(7, 3, 'seven')],
  };
  beforeEach(() => copy('wal-v1'));

  test('has segments that are read and written on, and a lock that nobody holds', async () => {
    rmSync(join(directory, snapshot));
    const log = await open([]);
    expect(log.recovered).toEqual(holds);
    await log.close();
    await goesOn([], holds);
  });

  test('has a snapshot that is refused, and then nothing of the log is touched', async () => {
    const contents = (): readonly (readonly [string, string])[] =>
      readdirSync(directory)
        .filter((name) => name !== 'lock')
        .map((name) => [name, readFileSync(join(directory, name), 'latin1')]);
    const before = contents();
    await expect(open([])).rejects.toThrow(`${snapshot} is damaged at byte 0`);
    await expect(open([])).rejects.toThrow(CorruptStorageError);
    expect(contents()).toEqual(before);
  });
});
