import { type LogIndex, type Random, silentLogger, type Term } from '@shoal/runtime';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { type CipherKey, placeOf, recordCipher } from '../cipher.ts';
import { DiskError } from '../disk/disk.ts';
import { CorruptStorageError, type LogStorage, type StoreWork } from '../storage.ts';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import type { HardState, Membership, SnapshotMeta, VoterId } from '../types.ts';
import { openLogStorage } from './log-storage.ts';

const directory = '/log';
const firstSegment = `${directory}/0000000000000001.wal`;
const secret = 'a secret that must not be read';
let state = 1;
const random: Random = {
  next: () => 0.5,
  bytes: (count) =>
    Uint8Array.from({ length: count }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state & 0xff;
    }),
};
const key = (number: number, fill = number): CipherKey => ({ number, key: Buffer.alloc(32, fill) });

let disk: FaultyDisk;
beforeEach(() => {
  disk = new FaultyDisk(random);
});

function open(...keys: readonly CipherKey[]): Promise<LogStorage> {
  const cipher = keys.length === 0 ? {} : { cipher: recordCipher(keys, random) };
  const options = { directory, disk, random, logger: silentLogger, segmentBytes: 4_096 };
  return openLogStorage({ ...options, ...cipher });
}

function work(index: number, term = 1, text = secret): StoreWork {
  const hardState: HardState = { term: term as Term, vote: 7 as VoterId, commit: 0 as LogIndex };
  const data = Buffer.from(text);
  const entry = { index: index as LogIndex, term: term as Term, kind: 'normal', data } as const;
  return { hardState, entries: [entry] };
}

const membership: Membership = {
  voters: [{ id: 7 as VoterId, nodeId: 'n7', addr: '10.0.0.7:2377' }],
  learners: [],
};

function meta(index: number, term = 1): SnapshotMeta {
  return { index: index as LogIndex, term: term as Term, membership };
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function content(storage: LogStorage): Promise<string> {
  let text = '';
  for await (const piece of storage.readSnapshot()) text += Buffer.from(piece).toString();
  return text;
}

async function everything(): Promise<string> {
  const names = await disk.list(directory);
  return names.map((name) => disk.bytes(`${directory}/${name}`).toString('latin1')).join('');
}

const terms = ({ recovered }: LogStorage): string =>
  recovered.entries.map(({ index, term }) => `${index}/${term}`).join(' ');

describe('an encrypted log', () => {
  test('shows nothing of what is in it, and all of it to who has the key', async () => {
    const storage = await open(key(1));
    for (let index = 1; index <= 100; index += 1) await storage.store(work(index));
    await storage.saveSnapshot(meta(50), pieces(secret, 'more of it'));
    await storage.close();
    expect(await everything()).not.toContain('secret');
    const again = await open(key(1));
    expect(again.recovered.entries).toHaveLength(50);
    expect(Buffer.from(again.recovered.entries[0]?.data ?? []).toString()).toBe(secret);
    expect(await content(again)).toBe(`${secret}more of it`);
    await again.close();
  });

  test.each([
    ['another key', [key(1, 9)], 'does not open it'],
    ['a later key only', [key(2)], 'which this host does not have'],
    ['no key', [], 'which this host does not have'],
  ])('is not opened by %s, and nothing of it is cut', async (_name, keys, reason) => {
    const storage = await open(key(1));
    await storage.store(work(1));
    await storage.close();
    const before = Buffer.from(disk.bytes(firstSegment));
    await expect(open(...keys)).rejects.toThrow(reason);
    await expect(open(...keys)).rejects.toThrow(CorruptStorageError);
    expect(disk.bytes(firstSegment).equals(before)).toBe(true);
  });

  test('goes on from a plain one, and the plain part goes with a snapshot', async () => {
    const plain = await open();
    await plain.store(work(1));
    await plain.close();
    const storage = await open(key(1));
    expect(terms(storage)).toBe('1/1');
    expect(await storage.oldestKey()).toBe(0);
    await storage.store(work(2));
    await storage.saveSnapshot(meta(1), pieces('x'));
    await storage.compact(1 as LogIndex);
    expect(await storage.oldestKey()).toBe(1);
    await storage.close();
    expect(await everything()).not.toContain('secret');
  });

  test('moves to another key while it is written', async () => {
    const storage = await open(key(1));
    await storage.store(work(1));
    storage.rotate(recordCipher([key(1), key(2)], random));
    await storage.store(work(2));
    expect(await storage.oldestKey()).toBe(1);
    await storage.saveSnapshot(meta(1), pieces('x'));
    await storage.compact(1 as LogIndex);
    expect(await storage.oldestKey()).toBe(2);
    await storage.close();
    const again = await open(key(2));
    expect(terms(again)).toBe('2/1');
    await again.close();
  });

  test('leaves an older key with a snapshot of all that is under it, also where nothing more is written', async () => {
    const storage = await open(key(1));
    for (let index = 1; index <= 3; index += 1) await storage.store(work(index));
    await storage.saveSnapshot(meta(2), pieces('older'));
    expect(storage.outdated).toBeUndefined();
    storage.rotate(recordCipher([key(1), key(2)], random));
    expect(storage.outdated).toBe(3);
    await storage.saveSnapshot(meta(2), pieces('the same again'));
    await storage.compact(2 as LogIndex);
    // The third entry is needed still.
    expect(storage.outdated).toBe(3);
    expect(await storage.oldestKey()).toBe(1);
    await storage.saveSnapshot(meta(3), pieces('newer'));
    expect(storage.outdated).toBe(3);
    await storage.compact(3 as LogIndex);
    expect(storage.outdated).toBeUndefined();
    expect(await storage.oldestKey()).toBe(2);
    await storage.close();
    const again = await open(key(2));
    expect(again.recovered).toEqual({
      hardState: work(3).hardState,
      snapshot: meta(3),
      entries: [],
    });
    expect(await content(again)).toBe('newer');
    await again.close();
  });

  test('needs a key until it is certain that what was under it does not come back', async () => {
    const storage = await open(key(1));
    await storage.store(work(1));
    storage.rotate(recordCipher([key(1), key(2)], random));
    await storage.saveSnapshot(meta(1), pieces('x'));
    const sync = disk.syncDirectory.bind(disk);
    let whileUncertain: number | undefined;
    disk.syncDirectory = async (path) => {
      if (!(await disk.list(directory)).includes('0000000000000001.wal'))
        whileUncertain ??= await storage.oldestKey();
      await sync(path);
    };
    await storage.compact(1 as LogIndex);
    expect(whileUncertain).toBe(1);
    expect(await storage.oldestKey()).toBe(2);
    await storage.close();
  });

  test('keeps no older snapshot under an older key', async () => {
    const snapshots = async () =>
      (await disk.list(directory)).filter((name) => name.startsWith('snapshot')).length;
    const storage = await open(key(1));
    for (let index = 1; index <= 3; index += 1) await storage.store(work(index));
    await storage.saveSnapshot(meta(1), pieces('x'));
    await storage.saveSnapshot(meta(2), pieces('y'));
    expect(await snapshots()).toBe(2);
    storage.rotate(recordCipher([key(1), key(2)], random));
    await storage.saveSnapshot(meta(3), pieces('z'));
    expect(await snapshots()).toBe(1);
    await storage.close();
  });
});

describe('older snapshots', () => {
  const nameOf = (index: number): string => `snapshot-000000000000000${index}-0000000000000001`;
  const pathOf = (index: number): string => `${directory}/${nameOf(index)}`;
  const indexes = async (): Promise<readonly number[]> => {
    const names = await disk.list(directory);
    return [2, 3, 4, 5].filter((index) => names.includes(nameOf(index)));
  };
  const stored = { kind: 'stored' };
  const eio = async (): Promise<never> => {
    throw new DiskError('EIO', 'EIO: says the test');
  };
  let storage: LogStorage;
  beforeEach(async () => {
    storage = await open(key(1));
    for (let index = 1; index <= 5; index += 1) await storage.store(work(index));
    await storage.saveSnapshot(meta(2), pieces('x'));
    await storage.saveSnapshot(meta(3), pieces('y'));
  });

  test.each(['EIO', 'EACCES'])(
    'that cannot be read need an unknown key, and go with the next: %s',
    async (code) => {
      disk.refuseReads(pathOf(2), code);
      expect(await storage.oldestKey()).toBe(0);
      await storage.close();
      const again = await open(key(1));
      expect(again.recovered.snapshot).toEqual(meta(3));
      expect(again.outdated).toBe(2);
      expect(await again.saveSnapshot(meta(4), pieces('z'))).toEqual(stored);
      expect(await indexes()).toEqual([3, 4]);
      expect(again.outdated).toBeUndefined();
      expect(await again.oldestKey()).toBe(1);
      await again.close();
    },
  );

  test('that have gone since they were listed need no key', async () => {
    const names = await disk.list(directory);
    await disk.remove(pathOf(2));
    disk.list = async () => names;
    expect(await storage.oldestKey()).toBe(1);
    expect(await storage.saveSnapshot(meta(4), pieces('z'))).toEqual(stored);
    await storage.close();
  });

  test.each([
    { what: 'listed', calls: 'list' as const },
    { what: 'removed', calls: 'remove' as const },
  ])('that cannot be $what do not fail the new one, and go with the next', async ({ calls }) => {
    const real = disk[calls];
    Object.assign(disk, { [calls]: eio });
    expect(await storage.saveSnapshot(meta(4), pieces('z'))).toEqual(stored);
    Object.assign(disk, { [calls]: real });
    expect(await indexes()).toEqual([2, 3, 4]);
    expect(await storage.saveSnapshot(meta(5), pieces('z'))).toEqual(stored);
    expect(await indexes()).toEqual([4, 5]);
    await storage.close();
  });

  test('that cannot be removed hold up none of the others', async () => {
    const remove = disk.remove.bind(disk);
    disk.remove = (path) => (path === pathOf(3) ? eio() : remove(path));
    storage.rotate(recordCipher([key(1), key(2)], random));
    expect(await storage.saveSnapshot(meta(5), pieces('z'))).toEqual(stored);
    await storage.compact(5 as LogIndex);
    expect(await indexes()).toEqual([3, 5]);
    expect(storage.outdated).toBe(3);
    expect(await storage.oldestKey()).toBe(1);
    await storage.close();
  });
});

describe("what a leader's snapshot replaced", () => {
  test('does not come back after a crash right behind the snapshot', async () => {
    const storage = await open(key(1));
    for (let index = 1; index <= 9; index += 1) await storage.store(work(index, 2));
    await storage.saveSnapshot(meta(5, 3), pieces('new history'), 'replacing');
    disk.crash();
    const again = await open(key(1));
    expect(again.recovered.snapshot?.index).toBe(5);
    expect(terms(again)).toBe('');
    await again.close();
  });

  test('does not come back after the first write behind it, whatever that write is', async () => {
    const storage = await open(key(1));
    for (let index = 1; index <= 9; index += 1) await storage.store(work(index, 2));
    await storage.saveSnapshot(meta(5, 3), pieces('new history'), 'replacing');
    await storage.store({ hardState: work(1, 4).hardState, entries: [] });
    disk.crash();
    const again = await open(key(1));
    expect(terms(again)).toBe('');
    await again.store(work(6, 4));
    await again.close();
    const last = await open(key(1));
    expect(terms(last)).toBe('6/4');
    await last.close();
  });

  test('an own snapshot replaces nothing', async () => {
    const storage = await open(key(1));
    for (let index = 1; index <= 9; index += 1) await storage.store(work(index, 2));
    await storage.saveSnapshot(meta(5, 2), pieces('state'));
    await storage.store(work(10, 2));
    disk.crash();
    const again = await open(key(1));
    expect(terms(again)).toBe('6/2 7/2 8/2 9/2 10/2');
    await again.close();
  });
});

test('whatever is sealed opens at its own place only', () => {
  const cipher = recordCipher([key(1), key(2)], random);
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(), fc.nat(), (plain, place, other) => {
      const sealed = cipher.seal(plain, placeOf(place));
      expect(
        Buffer.from(plain).equals(cipher.open(2, sealed, placeOf(place)) ?? Buffer.of(1)),
      ).toBe(true);
      expect(cipher.open(1, sealed, placeOf(place))).toBeUndefined();
      if (other !== place) expect(cipher.open(2, sealed, placeOf(other))).toBeUndefined();
      sealed.writeUInt8(sealed.readUInt8(0) ^ 1, 0);
      expect(cipher.open(2, sealed, placeOf(place))).toBeUndefined();
    }),
  );
});
