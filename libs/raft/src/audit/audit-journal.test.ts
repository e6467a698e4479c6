import { type LogIndex, type Random, silentLogger } from '@shoal/runtime';
import { type AppliedEntry, type AuditRecord, State, type Transaction } from '@shoal/state';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Disk, DiskError, type DiskFile } from '../disk/disk.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import { AuditJournal } from './audit-journal.ts';
import { readAudit, verifyAudit } from './read-audit.ts';

const directory = '/audit';
const { view } = new State();

let clock: FakeClock;
let disk: FaultyDisk;

/** Mulberry32. */
function seeded(seed: number): Random {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (count) => Buffer.from(Array.from({ length: count }, () => next() * 256)) };
}

beforeEach(() => {
  clock = new FakeClock();
  disk = new FaultyDisk(seeded(1));
});

function open(
  more: { bytesMax?: number; segmentBytes?: number; disk?: Disk } = {},
): Promise<AuditJournal> {
  return AuditJournal.open({ directory, disk, clock, logger: silentLogger, ...more });
}

/** An object with the methods of a class instance, to be spread. */
function forwarding<T extends Disk | DiskFile>(target: T): T {
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(target)) as (keyof T)[];
  const bound = methods.flatMap((name) => {
    const own = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(target), name)?.value;
    return typeof own === 'function' ? [[name, own.bind(target)]] : [];
  });
  return Object.fromEntries(bound) as T;
}

/** The log's entry at `index`: every third one changes nothing that people ask for, every fifth is of three people. */
function note(journal: AuditJournal, index: number, reason = 'because'): void {
  const table = index % 3 === 0 ? 'lease' : 'config';
  const people = Array.from({ length: peopleOf(index) }, (_, at) => at);
  const applied = {
    index,
    time: 1_000 * index,
    outcomes: people.map(() => ({ kind: 'committed' })),
    changes: people.map((at) => {
      const object = { id: `c${index}.${at}`, spec: { Name: `config-${index}.${at}` } };
      return { table, id: object.id, before: undefined, after: object };
    }),
  } as unknown as AppliedEntry;
  const actor = { kind: 'user', name: 'docker config create' };
  const asked = people.map(() => ({ actor, reason, changes: [{}] }) as unknown as Transaction);
  journal.applied(view, applied, asked);
}

const peopleOf = (index: number): number => (index % 5 === 0 ? 3 : 1);

function noteAll(journal: AuditJournal, from: number, to: number): void {
  for (let index = from; index <= to; index += 1) note(journal, index);
}

/** Indices of the records of these entries. */
const noted = (to: number, from = 1): readonly number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at)
    .filter((index) => index % 3 !== 0)
    .flatMap((index) => Array.from({ length: peopleOf(index) }, () => index));

async function read(limit = 100_000, over: (record: AuditRecord) => boolean = () => false) {
  const found = await readAudit(disk, directory, { limit, over, wants: () => true });
  return { indices: found.records.map(({ index }) => Number(index)).reverse(), gaps: found.gaps };
}

async function names(): Promise<readonly string[]> {
  const all = await disk.list(directory);
  return all.filter((name) => name.endsWith('.jsonl')).map((name) => `${directory}/${name}`);
}

describe('the audit’s files', () => {
  test('hold what was noted, once it is flushed and by themselves a moment later', async () => {
    const journal = await open();
    noteAll(journal, 1, 10);
    expect((await read()).indices).toEqual([]);
    await journal.flush();
    expect((await read()).indices).toEqual(noted(10));
    noteAll(journal, 11, 12);
    await clock.advance(250);
    expect((await read()).indices).toEqual(noted(12));
    expect(journal.figures).toEqual({ records: noted(12).length, failures: 0 });
    expect(await verifyAudit(disk, directory)).toMatchObject({
      ...{ kind: 'whole', records: noted(12).length, after: 0, through: 11 },
    });
  });

  test('are read newest first, up to a bound', async () => {
    const journal = await open({ segmentBytes: 500 });
    noteAll(journal, 1, 50);
    await journal.stop();
    expect((await read(4)).indices).toEqual([49, 50, 50, 50]);
    expect((await read(100, ({ index }) => index < 40)).indices).toEqual(noted(50, 40));
  });

  test('go on after a restart behind what they have, whatever is applied again', async () => {
    const first = await open();
    noteAll(first, 1, 5);
    await first.stop();
    const second = await open();
    noteAll(second, 1, 8);
    await second.stop();
    expect((await read()).indices).toEqual(noted(8));
  });

  test('say what never passed here: what came with a snapshot of another manager', async () => {
    const journal = await open();
    journal.restored(40 as LogIndex);
    noteAll(journal, 41, 43);
    journal.restored(43 as LogIndex);
    journal.restored(90 as LogIndex);
    await journal.stop();
    expect((await read()).gaps).toEqual([
      { after: 43, through: 90 },
      { after: 0, through: 40 },
    ]);
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole', through: 90 });
  });

  test('are bounded: the oldest goes, and the rest is still whole', async () => {
    const journal = await open({ segmentBytes: 1_000, bytesMax: 5_000 });
    for (let index = 1; index <= 200; index += 1) {
      note(journal, index);
      await journal.flush();
    }
    await journal.stop();
    const files = await names();
    const bytes = files.reduce((sum, path) => sum + disk.bytes(path).length, 0);
    expect(files.length).toBeLessThanOrEqual(5);
    // A file ends with the entry that fills it.
    expect(bytes).toBeLessThan(5 * (1_000 + 800));
    const { indices } = await read();
    expect(indices).toEqual(noted(200, indices[0]));
    expect(await verifyAudit(disk, directory)).toMatchObject({
      ...{ kind: 'whole', records: indices.length, through: 200 },
    });
  });
});

test('what people call things does not end a line', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (reason) => {
      disk = new FaultyDisk(seeded(1));
      const journal = await open();
      const others = ['\u2028', '\u2029\u0085\n\r', '","chain":"'];
      for (const [at, told] of [reason, ...others].entries()) note(journal, 3 * at + 1, told);
      await journal.stop();
      const { records } = await readAudit(disk, directory, {
        ...{ limit: 10, over: () => false, wants: () => true },
      });
      expect(records.map((one) => one.reason)).toContain(reason);
      const [path = ''] = await names();
      expect(
        disk
          .bytes(path)
          .toString()
          .split(/[\u0085\u2028\u2029\r\n]/),
      ).toHaveLength(8);
      await (await open()).stop();
      expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole', through: 10 });
    }),
  );
});

describe('a disk that refuses', () => {
  test('is tried again, and nothing is lost', async () => {
    const journal = await open();
    noteAll(journal, 1, 5);
    await journal.flush();
    disk.refuseWrites('ENOSPC');
    noteAll(journal, 6, 9);
    await journal.flush();
    expect(journal.figures.failures).toBe(1);
    disk.acceptWrites();
    noteAll(journal, 10, 11);
    await clock.advance(5_000);
    expect((await read()).indices).toEqual(noted(11));
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole' });
  });

  test('in the middle of a write: what it left of it does not count', async () => {
    const journal = await open();
    noteAll(journal, 1, 5);
    await journal.flush();
    disk.refuseWrites('ENOSPC');
    noteAll(journal, 6, 9);
    await journal.flush();
    disk.acceptWrites();
    const [path = ''] = await names();
    const end = disk.bytes(path).length;
    const file = await disk.open(path, 'write-durably');
    const part = `{"index":7,"time":7000,"half":"${'y'.repeat(4_000)}"}\n`;
    await file.write(Buffer.from(part.repeat(2)), end);
    note(journal, 22);
    await journal.flush();
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole', through: 22 });
  });

  test('when a file is to be begun: no other one is left behind', async () => {
    let hasSpace = true;
    const journal = await open({
      segmentBytes: 300,
      disk: {
        ...forwarding<Disk>(disk),
        // What is made takes no space yet.
        open: async (path, mode) => {
          const file = await disk.open(path, mode);
          if (mode !== 'create') return file;
          return {
            ...forwarding<DiskFile>(file),
            write: async (data, position) => {
              if (!hasSpace) throw new DiskError('ENOSPC', 'no space');
              await file.write(data, position);
            },
          };
        },
      },
    });
    noteAll(journal, 1, 2);
    await journal.flush();
    hasSpace = false;
    noteAll(journal, 3, 10);
    for (let at = 0; at < 5; at += 1) await journal.flush();
    expect(journal.figures.failures).toBe(5);
    hasSpace = true;
    await journal.stop();
    expect((await read()).indices).toEqual(noted(10));
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole' });
    const numbers = (await names()).map((path) => Number(/(\d+)\.jsonl$/.exec(path)?.[1]));
    expect(numbers).toEqual(numbers.map((_, at) => at + 1));
  });

  test('and a slow one: what comes during a write waits for its end', async () => {
    let write = Promise.withResolvers<void>();
    write.resolve();
    const journal = await open({
      disk: {
        ...forwarding<Disk>(disk),
        open: async (path, mode) => {
          const file = await disk.open(path, mode);
          const slowly = async (data: Uint8Array, position: number): Promise<void> => {
            await write.promise;
            await file.write(data, position);
          };
          return { ...forwarding<DiskFile>(file), write: slowly };
        },
      },
    });
    noteAll(journal, 1, 2);
    await journal.flush();
    write = Promise.withResolvers<void>();
    note(journal, 4);
    const flushed = journal.flush();
    await clock.advance(0);
    for (let index = 7; index <= 22; index += 3) note(journal, index, 'x'.repeat(2 << 20));
    write.resolve();
    await flushed;
    const { indices, gaps } = await read();
    expect(indices).toContain(4);
    expect(gaps).toEqual([{ after: 4, through: 22 }]);
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole', through: 22 });
  });

  test('for too long: what is missing is named', async () => {
    const journal = await open();
    noteAll(journal, 1, 5);
    await journal.flush();
    disk.refuseWrites('ENOSPC');
    const long = 'x'.repeat(1 << 20);
    for (let index = 6; index <= 20; index += 1) note(journal, index, long);
    await journal.flush();
    disk.acceptWrites();
    note(journal, 22);
    await journal.flush();
    const { indices, gaps } = await read();
    expect(gaps).toHaveLength(1);
    expect(gaps[0]?.after).toBe(5);
    const through = gaps[0]?.through ?? 0;
    expect(through).toBeGreaterThan(10);
    expect(indices).toEqual([...noted(5), ...noted(22, through + 1).filter((at) => at !== 21)]);
  });
});

test('loses nothing to crashes: no snapshot is taken of what is not on the disk', async () => {
  const act = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('apply'), count: fc.nat(30) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush'), count: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot'), count: fc.constant(0) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash'), count: fc.nat(3) }) },
  );
  const acts = fc.array(act, { maxLength: 40 });
  const check = async (plan: readonly { kind: string; count: number }[], seed: number) => {
    disk = new FaultyDisk(seeded(seed));
    clock = new FakeClock();
    let journal = await open({ segmentBytes: 900 });
    let snapshot = 0;
    let last = 0;
    const settled = async (): Promise<boolean> => {
      const settling = journal.settle().then(() => true);
      const crashed = new Promise<boolean>((resolve) => {
        const look = (): void => (disk.crashed ? resolve(false) : void setImmediate(look));
        look();
      });
      return Promise.race([settling, crashed]);
    };
    for (const { kind, count } of plan)
      if (kind === 'apply') {
        noteAll(journal, last + 1, last + count);
        last += count;
      } else if (kind === 'flush') await journal.flush();
      else {
        if (kind === 'crash' && count > 0) disk.crashInWrite(count);
        const whole = await settled();
        if (kind === 'snapshot' && whole) snapshot = last;
        if (kind === 'snapshot') continue;
        disk.crash();
        journal = await open({ segmentBytes: 900 });
        journal.restored(snapshot as LogIndex);
        noteAll(journal, snapshot + 1, last);
      }
    await journal.stop();
    expect(await read()).toEqual({ indices: noted(last), gaps: [] });
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole' });
  };
  await fc.assert(fc.asyncProperty(acts, fc.nat(), check), { numRuns: 300 });
});

describe('whoever writes to the files by hand is found out', () => {
  beforeEach(async () => {
    const journal = await open({ segmentBytes: 2_000 });
    noteAll(journal, 1, 30);
    await journal.stop();
  });

  test('with any bit of any line', async () => {
    const files = await names();
    expect(files.length).toBeGreaterThan(2);
    for (const path of files) {
      const { length } = disk.bytes(path);
      for (let byte = 0; byte < length - 1; byte += 37) {
        disk.flip(path, 8 * byte);
        const verdict = await verifyAudit(disk, directory);
        expect(verdict, `byte ${byte} of ${path}`).toMatchObject({ kind: 'damaged', file: path });
        disk.flip(path, 8 * byte);
      }
    }
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'whole' });
  });

  test.each([
    ['a line removed', (lines: string[]) => lines.splice(2, 1)],
    ['a line said twice', (lines: string[]) => lines.splice(2, 0, lines[2] ?? '')],
    [
      'two lines in the other order',
      (lines: string[]) => lines.splice(2, 2, ...lines.slice(2, 4).reverse()),
    ],
    ['the last line removed', (lines: string[]) => lines.splice(-1, 1)],
    ['the first line removed', (lines: string[]) => lines.splice(0, 1)],
    ['a line that is none', (lines: string[]) => lines.splice(2, 0, '{"index":3}')],
    ['all lines removed', (lines: string[]) => lines.splice(0)],
  ])('%s', async (_, change) => {
    const [path = ''] = await names();
    const lines = disk.bytes(path).toString().split('\n').slice(0, -1);
    change(lines);
    const file = await disk.open(path, 'create');
    await file.write(Buffer.from(lines.map((line) => `${line}\n`).join('')), 0);
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'damaged' });
  });

  test('a file removed from the middle', async () => {
    const [, second = ''] = await names();
    await disk.remove(second);
    expect(await verifyAudit(disk, directory)).toMatchObject({ kind: 'damaged' });
  });

  test('and at the next start that goes, with all behind it: what the log has is noted again', async () => {
    const path = (await names()).at(-1) ?? '';
    const lines = disk.bytes(path).toString().split('\n');
    const forged = lines.map((line, at) => (at < 2 ? line : line.replace('because', 'by nobody')));
    const file = await disk.open(path, 'create');
    await file.write(Buffer.from(forged.join('\n') + '{"more":1}\n'.repeat(200)), 0);
    expect(await verifyAudit(disk, directory)).toMatchObject({
      kind: 'damaged',
      file: path,
      line: 3,
    });
    const journal = await open();
    expect(disk.bytes(`${path}.cut`).toString()).toContain('by nobody');
    journal.restored(29 as LogIndex);
    noteAll(journal, 30, 32);
    await journal.stop();
    const { indices, gaps } = await read();
    expect(gaps).toMatchObject([{ through: 29 }]);
    expect(indices).toEqual([...noted(gaps[0]?.after ?? 0), ...noted(32, 30)]);
    expect(await verifyAudit(disk, directory)).toMatchObject({
      ...{ kind: 'whole', through: 32 },
      aside: [`${path}.cut`],
    });
  });
});
