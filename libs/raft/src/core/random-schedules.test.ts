import type { LogIndex } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeCluster } from '../testing/fake-cluster.ts';
import type { VoterId } from '../types.ts';

/**
 * Goal: no order of messages, ticks, writes, crashes and partitions breaks a guarantee of Raft.
 * Method: a random schedule on real cores with the safety checker watching each step; then all
 * faults end, and the cluster must elect a leader, commit, and agree (liveness).
 */
const what = fc.constantFrom(
  ...['deliver', 'deliver', 'deliver', 'flow', 'flow', 'flow', 'flow', 'tick', 'tick', 'tick'],
  ...['propose', 'propose', 'read', 'write', 'write', 'hold', 'drop', 'repeat', 'campaign'],
  ...['crash', 'restart', 'restart', 'partition', 'heal', 'heal', 'compact', 'refuse', 'cure'],
);
type Action = readonly [what: string, voter: number, choice: number];

function schedule(count: number): fc.Arbitrary<readonly Action[]> {
  const action = fc.tuple(what, fc.integer({ min: 1, max: count }), fc.nat(1000));
  return fc.array(action, { minLength: 50, maxLength: 600, size: 'max' });
}

for (const count of [3, 5]) {
  const runs = count === 3 ? 150 : 75;
  test(`${count} voters under random schedules stay safe, and agree once the faults end`, () => {
    fc.assert(
      fc.property(schedule(count), (actions) => {
        const cluster = newCluster(count);
        for (const action of actions) {
          act(cluster, action);
          cluster.checker.logMatching(up(cluster));
        }
        converge(cluster);
      }),
      // Also ends the search for a smaller schedule that fails.
      { numRuns: runs, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true },
    );
  }, 60_000);
}

function newCluster(count: number): FakeCluster {
  const cluster = new FakeCluster();
  const ids = Array.from({ length: count }, (_, at) => (at + 1) as VoterId);
  for (const id of ids) cluster.add(id, ids);
  return cluster;
}

function up(cluster: FakeCluster) {
  return [...cluster.voters.values()].flatMap(({ raft }) => (raft === undefined ? [] : [raft]));
}

let proposals = 0;
let reads = 0;

function act(cluster: FakeCluster, [name, number, choice]: Action): void {
  const id = number as VoterId;
  const voter = cluster.voter(id);
  const { network } = cluster;
  const at = network.length === 0 ? 0 : choice % network.length;
  const envelope = network[at];
  switch (name) {
    case 'deliver':
      cluster.deliverAt(at);
      return;
    case 'flow':
      // Many messages, in a random order: without it hardly any election would come to its end.
      for (let left = choice % 40; left > 0 && cluster.network.length > 0; left -= 1)
        cluster.deliverAt((choice * left) % cluster.network.length);
      return;
    case 'drop':
      network.splice(at, 1);
      return;
    case 'repeat':
      if (envelope !== undefined) network.push(envelope);
      return;
    case 'partition':
      cluster.partition(sides(cluster, choice));
      return;
    case 'heal':
      cluster.heal();
      return;
    case 'restart':
      if (voter.raft === undefined) cluster.start(id);
      return;
    case 'hold':
      voter.diskMode = 'held';
      return;
    case 'write':
      cluster.finishWrite(id);
      return;
    default:
      if (voter.raft !== undefined) actOnRunning(cluster, name, id, choice);
  }
}

function actOnRunning(cluster: FakeCluster, name: string, id: VoterId, choice: number): void {
  const voter = cluster.voter(id);
  switch (name) {
    case 'tick':
      for (let ticks = choice % 8; ticks >= 0; ticks -= 1) cluster.step(id, { kind: 'tick' });
      return;
    case 'campaign':
      cluster.step(id, { kind: 'campaign' });
      return;
    case 'propose':
      proposals += 1;
      cluster.step(id, { kind: 'proposed', data: [new TextEncoder().encode(`p${proposals}`)] });
      return;
    case 'read':
      reads += 1;
      cluster.step(id, { kind: 'read-requested', token: reads });
      return;
    case 'crash':
      // Half of the crashes come after the write reached the disk and before anyone knew.
      if (choice % 2 === 0 && voter.diskMode !== 'refusing') cluster.finishWrite(id);
      cluster.crash(id);
      return;
    case 'compact': {
      const { applied } = cluster.core(id);
      cluster.compact(id, Math.max(0, applied - (choice % 4)) as LogIndex);
      return;
    }
    case 'refuse':
      voter.diskMode = 'refusing';
      cluster.finishWrite(id);
      return;
    case 'cure':
      cure(cluster, id);
      return;
  }
}

function cure(cluster: FakeCluster, id: VoterId): void {
  const voter = cluster.voter(id);
  voter.diskMode = 'prompt';
  cluster.finishWrite(id);
  if (voter.raft?.refused === true) cluster.step(id, { kind: 'storage-cured' });
}

function sides(cluster: FakeCluster, choice: number): VoterId[][] {
  const ids = [...cluster.voters.keys()];
  return [0, 1].map((side) => ids.filter((_, at) => ((choice >> at) & 1) === side));
}

/** After the last fault: 500 ticks are many election timeouts, and must be enough for everything. */
function converge(cluster: FakeCluster): void {
  cluster.heal();
  for (const { id, raft } of cluster.voters.values()) {
    if (raft === undefined) cluster.start(id);
    cure(cluster, id);
  }
  for (let tick = 0; tick < 500; tick += 1) {
    for (const id of cluster.voters.keys()) cluster.step(id, { kind: 'tick' });
    cluster.settle();
  }
  const leader = up(cluster).find(({ role }) => role.kind === 'leader');
  expect(leader, 'a leader').toBeDefined();
  if (leader === undefined) return;
  cluster.step(leader.id, { kind: 'proposed', data: [new Uint8Array([1])] });
  cluster.settle();
  cluster.step(leader.id, { kind: 'tick' });
  cluster.settle();
  const { last } = leader.log;
  for (const raft of up(cluster)) {
    expect([raft.log.last, raft.commit, raft.applied]).toEqual([last, last, last]);
    expect(raft.log.lastPosition.term).toBe(leader.term);
  }
  expect(cluster.checker.history.length).toBe(last);
  cluster.checker.logMatching(up(cluster));
}
