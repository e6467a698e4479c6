import { join } from 'node:path';
import {
  type Instant,
  type LogIndex,
  type Random,
  silentLogger,
  systemRandom,
  type Term,
} from '@shoal/runtime';
import { encodePayload } from '@shoal/state';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CipherKey, recordCipher } from '../cipher.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { CorruptStorageError, type LogStorage } from '../storage.ts';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import type { Entry, SnapshotMeta, VoterId } from '../types.ts';
import { openLogStorage } from '../wal/log-storage.ts';
import { copyLog } from './copy-log.ts';
import { readLog } from './read-log.ts';

const random: Random = systemRandom;
const keys: readonly CipherKey[] = [{ number: 1, key: new Uint8Array(32).fill(7) }];
/** Several pieces of a copy each, and several segments in all. */
const segmentBytes = 4 * 1024 * 1024;
const entryBytes = 300 * 1024;
const [live, copy] = ['/live', '/copy'];
const voter = { id: 1 as VoterId, nodeId: 'n1', addr: 'n1:2377' };

let disk: FaultyDisk;
let log: LogStorage;
let last: number;

beforeEach(async () => {
  disk = new FaultyDisk(random);
  log = await open(live);
  last = 0;
});

function open(directory: string): Promise<LogStorage> {
  const cipher = recordCipher(keys, random);
  return openLogStorage({ directory, disk, random, logger: silentLogger, segmentBytes, cipher });
}

/** As a leader of term 1 writes: each entry is committed by the next write. */
async function write(bytes = entryBytes): Promise<void> {
  last += 1;
  const [index, term] = [last as LogIndex, 1 as Term];
  const entry: Entry = { index, term, kind: 'normal', data: Buffer.alloc(bytes, last) };
  const hardState = { term, vote: voter.id, commit: (last - 1) as LogIndex };
  expect(await log.store({ hardState, entries: [entry] })).toEqual({ kind: 'stored' });
}

async function compactTo(index: number): Promise<void> {
  const meta: SnapshotMeta = {
    index: index as LogIndex,
    term: 1 as Term,
    membership: { voters: [voter], learners: [] },
  };
  async function* content(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`state at ${index}`);
  }
  expect(await log.saveSnapshot(meta, content())).toEqual({ kind: 'stored' });
  expect(await log.compact(index as LogIndex)).toEqual({ kind: 'stored' });
}

/** The disk as the copy sees it: before each of its reads, something happens. */
function between(happens: (reads: number) => Promise<void>): Disk {
  let reads = 0;
  const eventful = (file: DiskFile): DiskFile => ({
    read: async (position, length) => {
      reads += 1;
      await happens(reads);
      return file.read(position, length);
    },
    write: (data, position) => file.write(data, position),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
  });
  return {
    makeDirectory: () => disk.makeDirectory(),
    list: (directory) => disk.list(directory),
    open: async (path, mode) => eventful(await disk.open(path, mode)),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    leaveNote: (path, text) => disk.leaveNote(path, text),
    readNote: (path) => disk.readNote(path),
    syncDirectory: (path) => disk.syncDirectory(path),
  };
}

/** Entries in the copy, each checked. */
async function copiedEntries(): Promise<readonly number[]> {
  const storage = await open(copy);
  const { entries, snapshot } = storage.recovered;
  await storage.close();
  for (const { index, data } of entries)
    expect(Buffer.from(data).equals(Buffer.alloc(data.length, index))).toBe(true);
  expect(entries[0]?.index ?? (snapshot?.index ?? 0) + 1).toBe((snapshot?.index ?? 0) + 1);
  return entries.map(({ index }) => index);
}

describe('a log that is copied while it is written', () => {
  test.each([
    ['not at all', 0, 0],
    ['once between two reads', 1, entryBytes],
    ['in small writes', 7, 4_000],
    ['faster than it is read', 9, entryBytes],
  ])('%s is whole, with all that was stored before', async (_how, times, bytes) => {
    for (let at = 0; at < 20; at += 1) await write();
    const before = last;
    const busy = between(async () => {
      for (let at = 0; at < times; at += 1) await write(bytes);
    });
    expect(await copyLog(busy, live, copy)).toBe('copied');
    const entries = await copiedEntries();
    expect(entries.at(-1)).toBeGreaterThanOrEqual(before);
    expect(entries.at(-1)).toBeLessThanOrEqual(last);
    expect(entries).toEqual(Array.from({ length: entries.length }, (_, at) => at + 1));
    await log.close();
  });

  test('at any pace is whole, with all that was stored before', async () => {
    const pace = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 400 })), {
      minLength: 3,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 24 }), pace, async (first, writes) => {
        disk = new FaultyDisk(random);
        log = await open(live);
        last = 0;
        for (let at = 0; at < first; at += 1) await write();
        const busy = between(async (reads) => {
          const [times, kilobytes] = writes[reads % writes.length] ?? [0, 0];
          for (let at = 0; at < times; at += 1) await write(kilobytes * 1_024);
        });
        expect(await copyLog(busy, live, copy)).toBe('copied');
        const entries = await copiedEntries();
        expect(entries).toEqual(Array.from({ length: entries.length }, (_, at) => at + 1));
        expect(entries.length).toBeGreaterThanOrEqual(first);
        await log.close();
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test('and compacted meanwhile is whole, or says that it is not', async () => {
    const outcomes = new Set<string>();
    for (let moment = 1; moment <= 24; moment += 1) {
      disk = new FaultyDisk(random);
      log = await open(live);
      last = 0;
      for (let at = 0; at < 30; at += 1) await write();
      await compactTo(10);
      const busy = between(async (reads) => {
        if (reads !== moment) return;
        await write();
        await compactTo(28);
      });
      const outcome = await copyLog(busy, live, copy);
      outcomes.add(outcome);
      if (outcome === 'copied') expect((await copiedEntries()).at(-1)).toBeGreaterThanOrEqual(30);
      await log.close();
    }
    expect([...outcomes].sort()).toEqual(['changed', 'copied']);
  });
});

describe('a log that is read without a voter', () => {
  const read = (directory: string) =>
    readLog({ disk, directory, keys, random, logger: silentLogger });

  test('gives its newest index, also of what nobody has confirmed, and its time', async () => {
    expect((await read(copy)).index).toBe(0);
    const term = 1 as Term;
    const entries = [1, 2, 3].map(
      (at): Entry => ({
        index: at as LogIndex,
        term,
        kind: at === 1 ? 'empty' : 'normal',
        data: at === 1 ? Buffer.alloc(0) : encodePayload((at * 1_000) as Instant, []),
      }),
    );
    const hardState = { term, vote: voter.id, commit: 1 as LogIndex };
    expect(await log.store({ hardState, entries })).toEqual({ kind: 'stored' });
    await log.close();
    const { index, time, view } = await read(live);
    expect([index, time, view.index]).toEqual([3, 3_000, 3]);
  });

  test('says which file is damaged, and where', async () => {
    await write();
    await log.close();
    const [name = ''] = (await disk.list(live)).filter((one) => one.endsWith('.wal'));
    const file = await disk.open(join(live, name), 'write-durably');
    await file.write(Buffer.from('XX'), 0);
    await file.close();
    await expect(read(live)).rejects.toThrow(CorruptStorageError);
    await expect(read(live)).rejects.toThrow(name);
  });
});
