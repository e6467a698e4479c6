import { type Random, silentLogger } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { type CipherKey, recordCipher } from '../cipher.ts';
import type { Disk, DiskFile } from '../disk/disk.ts';
import type { LogStorage } from '../storage.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { fakeMember } from '../testing/fake-cluster.ts';
import { FakeMachine } from '../testing/fake-machine.ts';
import { FaultyDisk } from '../testing/faulty-disk.ts';
import type { VoterId } from '../types.ts';
import { openLogStorage } from '../wal/log-storage.ts';
import { RaftNode } from './raft-node.ts';

const id = 7 as VoterId;
const directory = '/log';
const waitMsMax = 60_000;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
let drawn = 0;
const random: Random = {
  next: () => 0.5,
  bytes: (count) =>
    Uint8Array.from({ length: count }, () => {
      drawn += 1;
      return drawn * 37;
    }),
};
const old: CipherKey = { number: 1, key: Buffer.alloc(32, 1) };
const fresh: CipherKey = { number: 2, key: Buffer.alloc(32, 2) };
const rotated = recordCipher([old, fresh], random);

/** The disk as one process sees it, which is killed after so many more steps. */
class FakeMortalDisk implements Disk {
  readonly #disk: Disk;
  #stepsLeft = Number.POSITIVE_INFINITY;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  killAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  get isDead(): boolean {
    return this.#stepsLeft < 0;
  }

  #step<T>(work: () => Promise<T>): Promise<T> {
    this.#stepsLeft -= 1;
    return this.isDead ? new Promise(() => {}) : work();
  }

  makeDirectory = (path: string): Promise<void> => this.#step(() => this.#disk.makeDirectory(path));
  list = (path: string): Promise<readonly string[]> => this.#step(() => this.#disk.list(path));
  rename = (from: string, to: string): Promise<void> =>
    this.#step(() => this.#disk.rename(from, to));
  remove = (path: string): Promise<void> => this.#step(() => this.#disk.remove(path));
  leaveNote = (path: string, text: string): Promise<boolean> =>
    this.#step(() => this.#disk.leaveNote(path, text));
  readNote = (path: string): Promise<string | undefined> =>
    this.#step(() => this.#disk.readNote(path));
  syncDirectory = (path: string): Promise<void> => this.#step(() => this.#disk.syncDirectory(path));

  open: Disk['open'] = async (path, mode) => {
    const file = await this.#step(() => this.#disk.open(path, mode));
    const mortal: DiskFile = {
      read: (position, length) => this.#step(() => file.read(position, length)),
      write: (data, position) => this.#step(() => file.write(data, position)),
      sync: () => this.#step(() => file.sync()),
      truncate: (length) => this.#step(() => file.truncate(length)),
      size: () => this.#step(() => file.size()),
      close: () => this.#step(() => file.close()),
    };
    return mortal;
  };
}

interface Life {
  readonly node: RaftNode;
  readonly machine: FakeMachine;
  readonly storage: LogStorage;
  readonly clock: FakeClock;
}

async function open(
  disk: Disk,
  keys: readonly CipherKey[],
  snapshotIntervalEntries = 10_000,
): Promise<Life> {
  const clock = new FakeClock();
  const machine = new FakeMachine();
  const parts = { random, logger: silentLogger };
  const cipher = recordCipher(keys, random);
  const storage = await openLogStorage({ directory, disk, cipher, segmentBytes: 4_096, ...parts });
  const node = await RaftNode.open({
    id,
    membership: { voters: [fakeMember(id)], learners: [] },
    ...{ storage, machine, clock, options: { snapshotIntervalEntries }, ...parts },
  });
  return { node, machine, storage, clock };
}

async function stop({ node, clock }: Life): Promise<void> {
  const stopped = node.stop();
  await clock.advance(10);
  await stopped;
}

/** Under the old key: a snapshot or none, entries behind it, and at last one that no machine sees. */
async function filled(disk: Disk, hasSnapshot: boolean): Promise<Life> {
  const life = await open(disk, [old], hasSnapshot ? 3 : 10_000);
  for (const text of ['a', 'b', 'c']) await life.node.propose(encode(text));
  await life.clock.advance(100);
  expect(life.node.status.snapshot).toBe(hasSnapshot ? 3 : 0);
  await stop(life);
  return open(disk, [old]);
}

describe.each([
  ['with a snapshot before', true],
  ['without a snapshot before', false],
])('a new key of the log, %s', (_name, hasSnapshot) => {
  test('is soon the only one that the disk needs, and no entry has to come for that', async () => {
    const disk = new FaultyDisk(random);
    const life = await filled(disk, hasSnapshot);
    life.node.rotate(rotated);
    await life.clock.until(() => life.storage.outdated === undefined, waitMsMax);
    expect(await life.storage.oldestKey()).toBe(2);
    expect(life.node.entriesAfter(life.node.status.first, 1e6).kind).toBe('entries');
    await stop(life);
    const again = await open(disk, [fresh]);
    expect(again.machine.lines).toEqual(['a', 'b', 'c']);
    await stop(again);
  });

  test('that the process was not told of before it died does the same at its start', async () => {
    const disk = new FaultyDisk(random);
    await stop(await filled(disk, hasSnapshot));
    const life = await open(disk, [old, fresh]);
    await life.clock.until(() => life.storage.outdated === undefined, waitMsMax);
    expect(await life.storage.oldestKey()).toBe(2);
    await stop(life);
  });

  test('takes what was on its way to the disk along once it is committed', async () => {
    const disk = new FaultyDisk(random);
    const life = await filled(disk, hasSnapshot);
    const onItsWay = life.node.propose(encode('d'));
    // The write begins under the old key.
    await Promise.resolve();
    life.node.rotate(rotated);
    expect(await onItsWay).toMatchObject({ kind: 'committed' });
    await life.clock.until(() => life.storage.outdated === undefined, 1_000);
    expect(await life.storage.oldestKey()).toBe(2);
    await stop(life);
    const again = await open(disk, [fresh]);
    expect(again.machine.lines).toEqual(['a', 'b', 'c', 'd']);
    await stop(again);
  });

  test('that comes while a snapshot is written under the old one is followed by another', async () => {
    const disk = new FaultyDisk(random);
    const life = await filled(disk, hasSnapshot);
    life.node.keepSnapshots({ entries: 1, older: 0, forFollowers: 0 });
    expect(await life.node.propose(encode('d'))).toMatchObject({ kind: 'committed' });
    life.node.keepSnapshots({ entries: 10_000, older: 0, forFollowers: 0 });
    life.node.rotate(rotated);
    expect(life.storage.outdated).toBe(6);
    await life.clock.until(() => life.storage.outdated === undefined, waitMsMax);
    expect(await life.storage.oldestKey()).toBe(2);
    await stop(life);
  });

  test('waits for a disk that is full', async () => {
    const disk = new FaultyDisk(random);
    const life = await filled(disk, hasSnapshot);
    disk.refuseWrites('ENOSPC');
    life.node.rotate(rotated);
    await life.clock.advance(1_000);
    expect(await life.storage.oldestKey()).toBe(1);
    disk.acceptWrites();
    await life.clock.until(() => life.storage.outdated === undefined, waitMsMax);
    expect(await life.storage.oldestKey()).toBe(2);
    await stop(life);
  });

  test.each([
    ['the process is killed', (_disk: FaultyDisk) => undefined],
    ['the power fails', (disk: FaultyDisk) => disk.crash()],
  ])('loses nothing when %s at any step, and is taken up at the start after', async (_how, die) => {
    for (let steps = 0; ; steps += 1) {
      const disk = new FaultyDisk(random);
      const mortal = new FakeMortalDisk(disk);
      const first = await filled(mortal, hasSnapshot);
      mortal.killAfter(steps);
      first.node.rotate(rotated);
      const written: string[] = [];
      void first.node.propose(encode('d')).then(({ kind }) => {
        if (kind === 'committed') written.push('d');
      });
      await first.clock.advance(1_000);
      if (!mortal.isDead) {
        expect(steps).toBeGreaterThan(20);
        return;
      }
      die(disk);
      const second = await open(disk, [old, fresh]);
      expect(second.machine.lines.slice(0, 3), `after ${steps} steps`).toEqual(['a', 'b', 'c']);
      expect(second.machine.lines).toEqual(expect.arrayContaining(written));
      const { lines } = second.machine;
      await second.clock.until(() => second.storage.outdated === undefined, waitMsMax);
      expect(await second.storage.oldestKey()).toBe(2);
      await stop(second);
      const third = await open(disk, [fresh]);
      expect(third.machine.lines).toEqual(lines);
      await stop(third);
    }
  });
});
