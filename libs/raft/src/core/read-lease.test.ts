import type { Monotonic } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { FakeCluster, fakeMembership } from '../testing/fake-cluster.ts';
import type { VoterId } from '../types.ts';

const [one, two, three] = [1, 2, 3] as VoterId[] as [VoterId, VoterId, VoterId];
const leaseMs = 100;
/** Those that have just started help nobody for so long. */
const electionTicks = 10;
const at = (ms: number) => ms as Monotonic;

/** Three voters of which the first leads, and a round of heartbeats that began at 1000 ms and was answered. */
function led(): FakeCluster {
  const cluster = new FakeCluster();
  cluster.leaseReads(leaseMs);
  for (const id of [one, two, three]) cluster.add(id, fakeMembership([one, two, three]));
  for (let tick = 0; tick < electionTicks; tick += 1)
    for (const id of [two, three]) cluster.step(id, { kind: 'tick' });
  cluster.network = [];
  cluster.step(one, { kind: 'campaign' });
  cluster.settle();
  cluster.step(one, { kind: 'tick', at: at(1_000) });
  cluster.settle();
  return cluster;
}

function read(cluster: FakeCluster, ms?: number): readonly string[] {
  const asked = cluster.step(one, {
    kind: 'read-requested',
    token: 7,
    at: ms === undefined ? undefined : at(ms),
  });
  return asked.reads.map(({ kind }) => kind);
}

test.each([
  { what: 'as long as the last confirmed round is fresh', ms: 1_099, reads: ['confirmed'] },
  { what: 'not when it is older', ms: 1_100, reads: [] },
  { what: 'not without a clock', ms: undefined, reads: [] },
])('a read is answered at once: $what', ({ ms, reads }) => {
  expect(read(led(), ms)).toEqual(reads);
});

test('a round that no quorum has answered makes no lease', () => {
  const cluster = led();
  cluster.partition([[one], [two, three]]);
  cluster.step(one, { kind: 'tick', at: at(1_090) });
  cluster.settle();
  expect(read(cluster, 1_101)).toEqual([]);
});

test('who was told to take over may be elected at any time: there is no lease any more', () => {
  const cluster = led();
  cluster.step(one, { kind: 'transfer-requested', to: two });
  expect(read(cluster, 1_001)).toEqual([]);
});

test('a voter that has forgotten its leader helps nobody to lead before the lease must be over', () => {
  const cluster = led();
  cluster.crash(two);
  cluster.start(two);
  cluster.partition([[one], [two, three]]);
  const silence = (ticks: number): void => {
    for (let tick = 0; tick < ticks; tick += 1) cluster.step(two, { kind: 'tick' });
  };
  silence(electionTicks - 1);
  cluster.step(three, { kind: 'campaign' });
  cluster.settle();
  expect(cluster.core(three).role.kind).not.toBe('leader');
  silence(1);
  cluster.step(three, { kind: 'campaign' });
  cluster.settle();
  expect(cluster.core(three).role.kind).toBe('leader');
});

test('without leases it does at once', () => {
  const cluster = new FakeCluster();
  for (const id of [one, two, three]) cluster.add(id, fakeMembership([one, two, three]));
  cluster.step(three, { kind: 'campaign' });
  cluster.settle();
  expect(cluster.core(three).role.kind).toBe('leader');
});
