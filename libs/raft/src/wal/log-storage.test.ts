import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger, LogIndex, Random, Term } from '@shoal/runtime';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type RecordCipher, recordCipher } from '../cipher.ts';
import type { Disk } from '../disk/disk.ts';
import { fileSystem } from '../disk/file-system.ts';
import type { LogStorage, StoreWork } from '../storage.ts';
import { CorruptStorageError } from '../storage.ts';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import type { Entry, HardState, Membership, SnapshotMeta, VoterId } from '../types.ts';
import { openLogStorage } from './log-storage.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** Numbers of a fixed seed (mulberry32). */
function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => next() * 256) };
}

const directory = '/log';
const segmentBytes = 64 * 1024;
const firstSegment = `${directory}/0000000000000001.wal`;

function open(disk: Disk, seed = 1, where = directory): Promise<LogStorage> {
  return openLogStorage({
    directory: where,
    disk,
    random: seeded(seed),
    logger: silent,
    segmentBytes,
    ...(cipher === undefined ? {} : { cipher }),
  });
}

/** What the next storage is opened with. */
let cipher: RecordCipher | undefined;
afterEach(() => {
  cipher = undefined;
});
const sealing = recordCipher([{ number: 1, key: Buffer.alloc(32, 7) }], seeded(99));

function entry(index: number, text = `entry ${index}`, term = 1): Entry {
  return { index: index as LogIndex, term: term as Term, kind: 'normal', data: Buffer.from(text) };
}

function hard(term: number, commit = 0): HardState {
  return { term: term as Term, vote: 7 as VoterId, commit: commit as LogIndex };
}

function work(from: number, count: number, hardState: HardState | undefined = hard(1)): StoreWork {
  return { hardState, entries: Array.from({ length: count }, (_, at) => entry(from + at)) };
}

const membership: Membership = {
  voters: [{ id: 7 as VoterId, nodeId: 'n7', addr: '10.0.0.7:2377' }],
  learners: [],
};

function meta(index: number): SnapshotMeta {
  return { index: index as LogIndex, term: 1 as Term, membership };
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

function texts(storage: LogStorage): string[] {
  return storage.recovered.entries.map(({ index, data }) => `${index} ${Buffer.from(data)}`);
}

async function content(storage: LogStorage): Promise<string> {
  let text = '';
  for await (const chunk of storage.readSnapshot()) text += Buffer.from(chunk).toString();
  return text;
}

const stored = { kind: 'stored' };

describe('what was stored', () => {
  test('is found again, with term, vote and commit', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    expect(log.recovered).toEqual({ hardState: undefined, snapshot: undefined, entries: [] });
    expect(await log.store(work(1, 3, hard(2)))).toEqual(stored);
    expect(await log.store({ hardState: hard(2, 3), entries: [] })).toEqual(stored);
    await log.close();
    const again = await open(disk, 2);
    expect(texts(again)).toEqual(['1 entry 1', '2 entry 2', '3 entry 3']);
    expect(again.recovered.hardState).toEqual(hard(2, 3));
  });

  test('replaces what stood at the same index and after', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 5));
    await log.store({ hardState: hard(2), entries: [entry(3, 'other', 2)] });
    await log.close();
    expect(texts(await open(disk))).toEqual(['1 entry 1', '2 entry 2', '3 other']);
  });

  test('stays replaced when a snapshot covers what replaced it', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 10));
    await log.store({ hardState: hard(2), entries: [entry(5, 'five', 2), entry(6, 'six', 2)] });
    await log.saveSnapshot({ ...meta(6), term: 2 as Term }, pieces('six'));
    await log.close();
    expect(texts(await open(disk, 2))).toEqual([]);
  });

  test('spans segments, and entries larger than one', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    for (let index = 1; index <= 12; index++) {
      const large = entry(index, `${index}`.padEnd(12 * 2 ** 10, '.'));
      expect(await log.store({ hardState: hard(1), entries: [large] })).toEqual(stored);
    }
    const huge = entry(13, '13'.padEnd(80 * 2 ** 10, '.'));
    expect(await log.store({ hardState: undefined, entries: [huge] })).toEqual(stored);
    await log.close();
    const found = (await open(disk)).recovered;
    expect(found.entries.map(({ index }) => index)).toEqual(
      Array.from({ length: 13 }, (_, at) => at + 1),
    );
    expect(
      (await disk.list(directory)).filter((name) => name.endsWith('.wal')).length,
    ).toBeGreaterThan(2);
  });
});

describe('snapshots', () => {
  test('begin the log anew; what they cover goes, term and vote stay', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 3, hard(4)));
    await log.close();
    const second = await open(disk, 2);
    await second.store({ hardState: undefined, entries: [entry(4), entry(5)] });
    expect(await second.saveSnapshot(meta(4), pieces('one ', 'two'))).toEqual(stored);
    expect(await second.compact(4 as LogIndex)).toEqual(stored);
    await second.close();
    expect(await disk.list(directory)).not.toContain('0000000000000001.wal');
    const third = await open(disk, 3);
    expect(third.recovered.snapshot).toEqual(meta(4));
    expect(third.recovered.hardState).toEqual(hard(4));
    expect(texts(third)).toEqual(['5 entry 5']);
    expect(await content(third)).toBe('one two');
  });

  test("a leader's snapshot may leave a gap behind", async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 2));
    await log.saveSnapshot(meta(10), pieces('ten'));
    await log.store(work(11, 1));
    await log.close();
    expect(texts(await open(disk))).toEqual(['11 entry 11']);
  });

  test('one that was never completed is removed', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 2));
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('the node stops');
    }
    await expect(log.saveSnapshot(meta(2), failing())).rejects.toThrow('the node stops');
    await log.close();
    const again = await open(disk);
    expect(again.recovered.snapshot).toBeUndefined();
    expect(texts(again)).toHaveLength(2);
    expect((await disk.list(directory)).filter((name) => name.startsWith('snapshot'))).toEqual([]);
  });

  test('so many older ones stay as are wanted, and one at least', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 6));
    const isSnapshot = (name: string): boolean => name.startsWith('snapshot');
    const count = async () => (await disk.list(directory)).filter(isSnapshot).length;
    log.keepSnapshots(2);
    for (const at of [1, 2, 3, 4, 5]) await log.saveSnapshot(meta(at), pieces(`${at}`));
    expect(await count()).toBe(3);
    log.keepSnapshots(0);
    await log.saveSnapshot(meta(6), pieces('6'));
    expect(await count()).toBe(2);
    await log.close();
  });

  test('of a damaged one, the older serves while the log goes on from it', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 6));
    await log.saveSnapshot(meta(2), pieces('older'));
    await log.saveSnapshot(meta(5), pieces('newer'));
    await log.close();
    const newest = `${directory}/snapshot-0000000000000005-0000000000000001`;
    disk.flip(newest, 8 * (disk.bytes(newest).indexOf('newer') + 1));
    const again = await open(disk);
    expect(await content(again)).toBe('older');
    expect(texts(again)).toEqual(['3 entry 3', '4 entry 4', '5 entry 5', '6 entry 6']);
  });

  test('of a damaged one, the older does not serve when the log ends before it', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 2));
    await log.saveSnapshot(meta(2), pieces('older'));
    // From a leader: nothing of what it holds was ever in this log.
    await log.saveSnapshot(meta(10), pieces('newer'));
    await log.close();
    const newest = `${directory}/snapshot-000000000000000a-0000000000000001`;
    disk.flip(newest, 8 * (disk.bytes(newest).indexOf('newer') + 1));
    const failure = await open(disk, 2).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CorruptStorageError);
    expect((failure as CorruptStorageError).file).toBe(newest);
  });

  test('every flipped bit of a snapshot is noticed', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 3));
    await log.close();
    const second = await open(disk, 2);
    await second.store(work(4, 1));
    await second.saveSnapshot(meta(3), pieces('some ', 'state'));
    await second.compact(3 as LogIndex);
    await second.close();
    const path = `${directory}/snapshot-0000000000000003-0000000000000001`;
    for (let bit = 0; bit < 8 * disk.bytes(path).length; bit++) {
      disk.flip(path, bit);
      const failure = await open(disk, 3).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CorruptStorageError);
      expect((failure as CorruptStorageError).file).toBe(path);
      disk.flip(path, bit);
    }
  });
});

describe('damage', () => {
  test.each([
    ['plain', undefined],
    ['sealed', sealing],
  ])(
    'every flipped bit is noticed with file and offset, or is the torn end of the log: %s',
    async (_kind, given) => {
      cipher = given;
      const disk = new FaultyDisk(seeded(1));
      const log = await open(disk);
      for (let index = 1; index <= 4; index++) await log.store(work(index, 1));
      await log.close();
      // Opening ends the file behind its last frame.
      await (await open(disk)).close();
      const used = disk.bytes(firstSegment).lastIndexOf('entry 4') + 'entry 4'.length;
      const before = Buffer.from(disk.bytes(firstSegment));
      for (let bit = 0; bit < 8 * used; bit++) {
        disk.flip(firstSegment, bit);
        const result = await open(disk, bit).catch((error: unknown) => error);
        if (result instanceof CorruptStorageError) {
          expect(result.file).toBe(firstSegment);
          expect(result.offset).toBeLessThanOrEqual(bit >> 3);
        } else {
          const whole = [1, 2, 3, 4].map((index) => `${index} entry ${index}`);
          const found = texts(result as LogStorage);
          // Only the last frame can be mistaken for a write that was never finished.
          expect([whole.slice(0, 3), whole]).toContainEqual(found);
          await (result as LogStorage).close();
        }
        restore(disk, firstSegment, before);
      }
    },
  );

  test('a committed end that is missing is no torn write', async () => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 2));
    await log.store(work(3, 1, hard(1, 3)));
    await log.close();
    const bytes = disk.bytes(firstSegment);
    disk.flip(firstSegment, 8 * bytes.lastIndexOf('entry 3'));
    // The torn frame also carried the commit, so only what came before counts: nothing is claimed of 3.
    expect(texts(await open(disk))).toEqual(['1 entry 1', '2 entry 2']);
  });

  test('a missing segment is noticed', async () => {
    const disk = new FaultyDisk(seeded(1));
    for (let round = 0; round < 3; round++) {
      const log = await open(disk, round + 1);
      await log.store(work(round + 1, 1));
      await log.close();
    }
    await disk.remove(`${directory}/0000000000000002.wal`);
    await expect(open(disk)).rejects.toThrow('the segment before it is missing');
  });
});

describe('a disk that refuses', () => {
  test.each([
    ['ENOSPC', 'no space left on the disk'],
    ['EROFS', 'the file system is read-only'],
    ['EACCES', 'permission denied'],
    ['EIO', 'EIO'],
  ])('%s is told in a sentence, and what was refused never comes back', async (code, text) => {
    const disk = new FaultyDisk(seeded(1));
    const log = await open(disk);
    await log.store(work(1, 1));
    disk.refuseWrites(code);
    const refused = await log.store({ hardState: hard(1), entries: [entry(2, 'refused')] });
    expect(refused).toEqual({
      kind: 'failed',
      error: { kind: 'refused', message: expect.stringContaining(text) },
    });
    expect(refused).toMatchObject({ error: { message: expect.stringContaining(directory) } });
    expect(await log.probe()).toBe(false);
    disk.acceptWrites();
    expect(await log.probe()).toBe(true);
    expect(await log.store({ hardState: hard(1), entries: [entry(2, 'later')] })).toEqual(stored);
    await log.close();
    expect(texts(await open(disk))).toEqual(['1 entry 1', '2 later']);
  });
});

type Step =
  | {
      readonly kind: 'store';
      readonly back: number;
      readonly count: number;
      readonly bytes: number;
    }
  | { readonly kind: 'snapshot' | 'reopen' }
  | { readonly kind: 'crash'; readonly writes: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('store' as const),
        back: fc.nat(2),
        count: fc.integer({ min: 1, max: 5 }),
        bytes: fc.nat(3000),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom('snapshot' as const, 'reopen' as const) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), writes: fc.nat(3) }) },
  ),
  { maxLength: 25 },
);

test.each([
  ['plain', undefined],
  ['sealed', sealing],
])(
  'whatever crashes when, everything acknowledged is found, and nothing else but the last write: %s',
  async (_kind, given) => {
    cipher = given;
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (plan, seed) => {
        const disk = new FaultyDisk(seeded(seed));
        let log = await open(disk, seed);
        let model: string[] = [];
        let begins = 1;
        let version = 0;
        for (const [at, step] of plan.entries()) {
          if (step.kind === 'reopen') await log.close();
          if (step.kind === 'snapshot' && model.length > 0) {
            const index = begins + model.length - 1;
            await log.saveSnapshot(meta(index), pieces(`state ${index}`));
            await log.compact(index as LogIndex);
            [begins, model] = [index + 1, []];
          }
          const attempt: string[] = [];
          if (step.kind === 'store' || step.kind === 'crash') {
            const [back, count, bytes] =
              step.kind === 'store' ? [step.back, step.count, step.bytes] : [0, 3, 2000];
            const from = Math.max(begins, begins + model.length - back);
            const entries = Array.from({ length: count }, (_, i) =>
              entry(from + i, `v${++version}`.padEnd(bytes, '.')),
            );
            attempt.push(
              ...model.slice(0, from - begins),
              ...entries.map(({ index, data }) => `${index} ${data}`),
            );
            if (step.kind === 'crash') disk.crashInWrite(step.writes);
            const done = log.store({ hardState: hard(1), entries });
            await Promise.race([done, turns()]);
            if (!disk.crashed) {
              expect(await done).toEqual(stored);
              model = attempt;
            }
          }
          if (step.kind === 'crash') disk.crash();
          if (step.kind === 'crash' || step.kind === 'reopen') {
            log = await open(disk, seed + at);
            const found = texts(log);
            expect([model, attempt.length > 0 ? attempt : model]).toContainEqual(found);
            model = found;
            if (begins > 1) expect(await content(log)).toBe(`state ${begins - 1}`);
          }
        }
      }),
      { numRuns: 200 },
    );
  },
  60_000,
);

describe('on the real file system', () => {
  test('stores, closes and recovers, with files for the owner alone', async () => {
    const where = join(mkdtempSync(join(tmpdir(), 'shoal-log-')), 'raft');
    const log = await open(fileSystem, 1, where);
    await log.store(work(1, 100));
    await log.saveSnapshot(meta(60), pieces('a', 'b'));
    await log.close();
    const again = await open(fileSystem, 2, where);
    expect(again.recovered.entries).toHaveLength(40);
    expect(await content(again)).toBe('ab');
    expect(statSync(where).mode & 0o777).toBe(0o700);
    expect(statSync(join(where, '0000000000000001.wal')).mode & 0o777).toBe(0o600);
    await again.close();
    rmSync(where, { recursive: true });
  });

  test('a full disk: it opens, reads, refuses writes in words, and goes on once there is space', async (context) => {
    const mount = mkdtempSync(join(tmpdir(), 'shoal-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      rmSync(mount, { recursive: true });
      context.skip('mounting a small file system is not permitted here');
    }
    try {
      const where = join(mount, 'raft');
      const before = await open(fileSystem, 1, where);
      expect(await before.store(work(1, 3))).toEqual(stored);
      await before.close();
      fill(mount);
      const log = await open(fileSystem, 2, where);
      expect(texts(log)).toHaveLength(3);
      expect(await log.store(work(4, 1))).toMatchObject({
        error: { kind: 'refused', message: expect.stringContaining('no space left on the disk') },
      });
      expect(await log.probe()).toBe(false);
      rmSync(join(mount, 'filling'));
      expect(await log.probe()).toBe(true);
      expect(await log.store(work(4, 1))).toEqual(stored);
      await log.close();
      const after = await open(fileSystem, 3, where);
      expect(texts(after)).toHaveLength(4);
      await after.close();
    } finally {
      execFileSync('umount', ['--lazy', mount]);
      rmSync(mount, { recursive: true });
    }
  });

  test('a directory in use by a live process is refused', async () => {
    const where = mkdtempSync(join(tmpdir(), 'shoal-log-'));
    const file = await fileSystem.open(join(where, 'lock'), 'create');
    const { readFileSync } = await import('node:fs');
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    await file.write(Buffer.from(`${process.ppid} ${start}`), 0);
    await file.close();
    await expect(open(fileSystem, 1, where)).rejects.toThrow(`in use by process ${process.ppid}`);
    rmSync(where, { recursive: true });
  });
});

/** Takes all space of a file system, to the last block. */
function fill(mount: string): void {
  const file = openSync(join(mount, 'filling'), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096, 1));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(file);
  }
}

/** Long enough for everything that waits on the fake disk alone. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function restore(disk: FaultyDisk, path: string, before: Buffer): void {
  const now = disk.bytes(path);
  for (let at = 0; at < before.length; at++) {
    const changed = (now[at] ?? 0) ^ (before[at] ?? 0);
    for (let bit = 0; bit < 8; bit++) if ((changed >> bit) & 1) disk.flip(path, 8 * at + bit);
  }
}
