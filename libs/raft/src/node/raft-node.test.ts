import { type Logger, type LogIndex, type Random, silentLogger } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { FakeClock, settlePromises } from '../testing/fake-clock.ts';
import { fakeMember } from '../testing/fake-cluster.ts';
import { FakeDisk } from '../testing/fake-log-storage.ts';
import { FakeMachine } from '../testing/fake-machine.ts';
import type { VoterId } from '../types.ts';
import type { RaftOptions } from './options.ts';
import { RaftNode } from './raft-node.ts';

const id = 7 as VoterId;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const random: Random = { next: () => 0.5, bytes: (count) => new Uint8Array(count) };

interface Opened {
  readonly node: RaftNode;
  readonly machine: FakeMachine;
  readonly clock: FakeClock;
}

const membership = { voters: [fakeMember(id)], learners: [] };

async function open(
  disk: FakeDisk,
  options: Partial<RaftOptions> = {},
  { clock = new FakeClock(), logger = silentLogger as Logger } = {},
): Promise<Opened> {
  const machine = new FakeMachine();
  const storage = disk.open();
  const parts = { storage, machine, clock, random, logger, options };
  const node = await RaftNode.open({ id, membership, ...parts });
  return { node, machine, clock };
}

test('a sole voter leads from the start, commits, applies in order and reads at once', async () => {
  const { node, machine } = await open(new FakeDisk());
  expect(node.status).toMatchObject({ role: 'leader', leader: id, term: 1, applied: 1 });
  let applied = 0;
  node.onCommitted(() => {
    applied += 1;
  });
  const outcomes = await Promise.all(['a', 'b', 'c'].map((text) => node.propose(encode(text))));
  expect(outcomes).toEqual([2, 3, 4].map((index) => ({ kind: 'committed', index })));
  expect(machine.lines).toEqual(['a', 'b', 'c']);
  expect(applied).toBe(1);
  expect(await node.readIndex()).toEqual({ kind: 'read', index: 4 });
  await node.stop();
});

test('everything that arrives while a write is under way goes into one write', async () => {
  const disk = new FakeDisk();
  const { node, machine } = await open(disk);
  disk.holdWrites();
  const before = disk.writes;
  const first = node.propose(encode('first'));
  await settlePromises();
  const rest = Array.from({ length: 1000 }, (_, at) => node.propose(encode(`p${at}`)));
  await settlePromises();
  expect(machine.lines).toEqual([]);
  disk.releaseWrites();
  await Promise.all([first, ...rest]);
  expect(disk.writes - before).toBe(2);
  expect(machine.lines.length).toBe(1001);
  expect(node.status).toMatchObject({ writes: disk.writes, entriesWritten: 1002 });
  await node.stop();
});

test('a crash loses nothing that was acknowledged, and only what was not durable', async () => {
  const disk = new FakeDisk();
  const before = await open(disk);
  await before.node.propose(encode('kept'));
  disk.holdWrites();
  const lost = before.node.propose(encode('lost'));
  await settlePromises();
  disk.crash();
  disk.releaseWrites();
  const after = await open(disk);
  expect(after.machine.lines).toEqual(['kept']);
  expect(after.node.status).toMatchObject({ role: 'leader', term: 2, applied: 3 });
  expect(await after.node.propose(encode('next'))).toEqual({ kind: 'committed', index: 4 });
  expect(await Promise.race([lost, 'never settled'])).toBe('never settled');
  await after.node.stop();
});

test('a full disk: proposals fail, reads go on, and writes come back without a restart', async () => {
  const disk = new FakeDisk();
  const { node, machine, clock } = await open(disk, { probeMs: 100, probeMsMax: 400 });
  await node.propose(encode('a'));
  disk.refuseWrites('no space left on device');
  const during = await Promise.all([node.propose(encode('b')), node.propose(encode('c'))]);
  for (const outcome of during)
    expect(outcome).toEqual({
      kind: 'failed',
      code: 'storage',
      message: 'the log cannot be written: no space left on device',
    });
  expect(node.status.storageError).toEqual({ kind: 'refused', message: 'no space left on device' });
  expect(node.status).toMatchObject({ role: 'leader', last: 2, applied: 2 });
  expect(await node.propose(encode('d'))).toMatchObject({ kind: 'failed', code: 'storage' });
  expect(await node.readIndex()).toEqual({ kind: 'read', index: 2 });
  // 100, 200, 400, 400, ... milliseconds apart.
  await clock.advance(1000);
  expect(disk.probes).toBe(3);
  disk.acceptWrites();
  await clock.advance(400);
  expect(node.status.storageError).toBeUndefined();
  expect(await node.propose(encode('e'))).toEqual({ kind: 'committed', index: 3 });
  expect(machine.lines).toEqual(['a', 'e']);
  await node.stop();
  const again = await open(disk);
  expect(again.machine.lines).toEqual(['a', 'e']);
  await again.node.stop();
});

test('a disk that refuses from the start: the state is readable, and the voter leads once it can', async () => {
  const disk = new FakeDisk();
  const before = await open(disk);
  await before.node.propose(encode('a'));
  await before.node.stop();
  disk.refuseWrites('read-only file system');
  const { node, machine, clock } = await open(disk);
  expect(machine.lines).toEqual(['a']);
  expect(await node.readIndex()).toEqual({ kind: 'read', index: 2 });
  expect(await node.propose(encode('b'))).toMatchObject({ code: 'storage' });
  const leadership: boolean[] = [];
  node.onLeadership((leading) => leadership.push(leading));
  disk.acceptWrites();
  await clock.until(() => node.status.role === 'leader', 1000);
  expect(leadership).toEqual([true]);
  expect(await node.propose(encode('b'))).toMatchObject({ kind: 'committed' });
  await node.stop();
});

test('snapshots are taken on the way; a restart begins with the newest', async () => {
  const disk = new FakeDisk();
  const options = { snapshotIntervalEntries: 10, entriesKeptForFollowers: 3 };
  const { node, machine, clock } = await open(disk, options);
  for (let at = 0; at < 9; at += 1) await node.propose(encode(`p${at}`));
  // The image is being written piece by piece; entries are applied meanwhile.
  await node.propose(encode('meanwhile'));
  expect(disk.snapshot).toBeUndefined();
  await clock.advance(100);
  expect(disk.snapshot).toEqual({ index: 10, term: 1, membership });
  expect(disk.entries.map(({ index }) => index)).toEqual([11]);
  expect(node.status).toMatchObject({ snapshot: 10, first: 8, last: 11 });
  expect(node.entriesAfter(6 as LogIndex, 1e6)).toEqual({ kind: 'compacted' });
  const kept = node.entriesAfter(7 as LogIndex, 1e6);
  expect(kept.kind === 'entries' && kept.entries.map(({ index }) => index)).toEqual([8, 9, 10, 11]);
  expect(node.image().index).toBe(11);
  await node.stop();
  const again = await open(disk, options);
  expect(again.machine.restored).toBe(1);
  expect(again.machine.lines).toEqual(machine.lines);
  expect(again.node.status).toMatchObject({ snapshot: 10, applied: 12 });
  await again.node.stop();
});

test('a snapshot that the disk refuses is tried again later', async () => {
  const disk = new FakeDisk();
  const options = { snapshotIntervalEntries: 5, snapshotRetryMs: 1000 };
  const { node, clock } = await open(disk, options);
  for (let at = 0; at < 4; at += 1) await node.propose(encode(`p${at}`));
  disk.refuseWrites('no space left on device');
  await clock.advance(100);
  expect(node.status).toMatchObject({ snapshot: 0, first: 1 });
  disk.acceptWrites();
  await clock.advance(1000);
  await clock.advance(100);
  expect(node.status).toMatchObject({ snapshot: 5, storageError: undefined });
  await node.stop();
});

test('only applied entries are shown, within the bytes asked for, one at least', async () => {
  const disk = new FakeDisk();
  const { node } = await open(disk);
  await node.propose(encode('x'.repeat(1000)));
  await node.propose(encode('y'.repeat(1000)));
  disk.holdWrites();
  const waiting = node.propose(encode('not yet'));
  await settlePromises();
  expect(node.status).toMatchObject({ applied: 3, last: 4 });
  const indexes = (after: number, bytes: number) => {
    const shown = node.entriesAfter(after as LogIndex, bytes);
    return shown.kind === 'entries' ? shown.entries.map(({ index }) => index) : shown.kind;
  };
  expect(indexes(0, 1e6)).toEqual([1, 2, 3]);
  expect(indexes(1, 1)).toEqual([2]);
  expect(indexes(1, 1500)).toEqual([2]);
  expect(indexes(3, 1e6)).toEqual([]);
  disk.releaseWrites();
  await waiting;
  expect(indexes(3, 1e6)).toEqual([4]);
  await node.stop();
});

test('what does not fit is refused before anything is done', async () => {
  const disk = new FakeDisk();
  const bounds = { entryBytesMax: 100, pendingProposalsMax: 2, pendingReadsMax: 1 };
  const { node } = await open(disk, bounds);
  expect(await node.propose(new Uint8Array(101))).toMatchObject({ code: 'too-large' });
  disk.holdWrites();
  const taken = [node.propose(encode('a')), node.propose(encode('b'))];
  expect(await node.propose(encode('c'))).toMatchObject({ code: 'busy' });
  const read = node.readIndex();
  expect(await node.readIndex()).toMatchObject({ code: 'busy' });
  expect(await read).toEqual({ kind: 'read', index: 1 });
  disk.releaseWrites();
  expect((await Promise.all(taken)).map(({ kind }) => kind)).toEqual(['committed', 'committed']);
  expect(await node.propose(encode('d'))).toMatchObject({ kind: 'committed' });
  await node.stop();
});

test('stopping stores what was accepted, refuses the rest, and leaves no timer behind', async () => {
  const disk = new FakeDisk();
  const { node, clock } = await open(disk, { snapshotIntervalEntries: 2 });
  const accepted = [node.propose(encode('a')), node.propose(encode('b'))];
  const stopped = node.stop();
  expect(await node.propose(encode('late'))).toMatchObject({ kind: 'failed', code: 'no-leader' });
  expect(await node.readIndex()).toMatchObject({ kind: 'failed' });
  expect((await Promise.all(accepted)).map(({ kind }) => kind)).toEqual(['committed', 'committed']);
  await clock.advance(10);
  await stopped;
  expect(clock.pending).toBe(0);
  const again = await open(disk);
  expect(again.machine.lines).toEqual(['a', 'b']);
  await again.node.stop();
});

test('large entries bring the next snapshot nearer, and only so many of their bytes stay', async () => {
  const bytes = { snapshotIntervalBytes: 1_000, bytesKeptForFollowers: 400 };
  const { node, clock } = await open(new FakeDisk(), { ...bytes, entriesKeptForFollowers: 100 });
  for (let at = 0; at < 5; at += 1) await node.propose(Buffer.alloc(100, at));
  await clock.advance(10);
  expect(node.status.snapshot).toBe(0);
  for (let at = 0; at < 5; at += 1) await node.propose(Buffer.alloc(100, at));
  await clock.until(() => node.status.snapshot > 0, 1_000);
  const { snapshot } = node.status;
  await clock.until(() => node.entriesAfter(0 as LogIndex, 1e6).kind === 'compacted', 1_000);
  const kept = node.entriesAfter((snapshot - 3) as LogIndex, 1e6);
  expect(kept).toMatchObject({ kind: 'entries' });
  expect(node.entriesAfter((snapshot - 4) as LogIndex, 1e6)).toMatchObject({ kind: 'compacted' });
  await node.stop();
});

test('more entries stay for followers that lag when the cluster says so', async () => {
  const options = { snapshotIntervalEntries: 10, entriesKeptForFollowers: 3 };
  const { node, clock } = await open(new FakeDisk(), options);
  node.keepSnapshots({ entries: 0, older: 0, forFollowers: 8 });
  for (let at = 0; at < 12; at += 1) await node.propose(encode(`p${at}`));
  await clock.until(() => node.entriesAfter(0 as LogIndex, 1e6).kind === 'compacted', 1_000);
  const { snapshot } = node.status;
  expect(node.entriesAfter((snapshot - 8) as LogIndex, 1e6)).toMatchObject({ kind: 'entries' });
  expect(node.entriesAfter((snapshot - 9) as LogIndex, 1e6)).toMatchObject({ kind: 'compacted' });
  await node.stop();
});

test('how often a snapshot is taken can be changed while it runs', async () => {
  const { node, clock } = await open(new FakeDisk(), { snapshotIntervalEntries: 1_000 });
  for (let at = 0; at < 20; at += 1) await node.propose(encode(`p${at}`));
  await clock.advance(10);
  expect(node.status.snapshot).toBe(0);
  node.keepSnapshots({ entries: 5, older: 0, forFollowers: 0 });
  await node.propose(encode('one more'));
  await clock.until(() => node.status.snapshot > 0, 1_000);
  await node.stop();
});
