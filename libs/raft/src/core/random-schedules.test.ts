import type { LogIndex } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeCluster, fakeMember, fakeMembership } from '../testing/fake-cluster.ts';
import type { VoterId } from '../types.ts';
import { idsOf, memberOf } from './membership.ts';
import { isRemoved, type Raft } from './state.ts';

/**
 * Goal: no order of messages, ticks, writes, crashes, partitions and changes of the members breaks a
 * guarantee of Raft. Method: a random schedule on real cores with the safety checker watching each step;
 * then all faults end, and the members must elect a leader, commit, and agree; who was removed must know.
 * `SCHEDULES=100 vitest run src/core/random-schedules` runs a hundred times as many.
 */
const faults = [
  ...['deliver', 'deliver', 'deliver', 'flow', 'flow', 'flow', 'flow', 'tick', 'tick', 'tick'],
  ...['propose', 'propose', 'read', 'write', 'write', 'hold', 'drop', 'repeat', 'campaign'],
  ...[
    'crash',
    'restart',
    'restart',
    'partition',
    'cut',
    'heal',
    'heal',
    'compact',
    'refuse',
    'cure',
  ],
  'transfer',
];
const changes = ['join', 'join', 'promote', 'promote', 'remove', 'settle'];
type Action = readonly [what: string, voter: number, choice: number];

/** Of those that are there from the beginning and those that join. */
const nodesMax = 9;
const factor = Number(process.env['SCHEDULES'] ?? 1);

function schedule(what: readonly string[]): fc.Arbitrary<readonly Action[]> {
  const action = fc.tuple(fc.constantFrom(...what), fc.nat(1000), fc.nat(1000));
  return fc.array(action, { minLength: 50, maxLength: 600, size: 'max' });
}

function check(runs: number, count: number, what: readonly string[]): void {
  fc.assert(
    fc.property(schedule(what), (actions) => {
      const cluster = newCluster(count);
      for (const action of actions) {
        act(cluster, action);
        cluster.checker.logMatching(up(cluster));
      }
      converge(cluster);
    }),
    // Also ends the search for a smaller schedule that fails.
    {
      numRuns: runs * factor,
      interruptAfterTimeLimit: 60_000 * factor,
      markInterruptAsFailure: true,
      includeErrorInReport: true,
    },
  );
}

test.each([
  [3, 60],
  [5, 30],
])(
  '%i voters under random schedules stay safe, and agree once the faults end',
  (count, runs) => check(runs, count, faults),
  90_000 * factor,
);

test.each([
  [1, 40],
  [2, 40],
  [3, 60],
  [5, 25],
  [7, 12],
])(
  '%i voters whose members change under random schedules stay safe and agree',
  (count, runs) => check(runs, count, [...faults, ...changes]),
  90_000 * factor,
);

function newCluster(count: number): FakeCluster {
  const cluster = new FakeCluster();
  const ids = Array.from({ length: count }, (_, at) => (at + 1) as VoterId);
  for (const id of ids) cluster.add(id, fakeMembership(ids));
  return cluster;
}

function up(cluster: FakeCluster): readonly Raft[] {
  return [...cluster.voters.values()].flatMap(({ raft }) => (raft === undefined ? [] : [raft]));
}

/** The leader of the highest term; an older one may still believe in itself. */
function leaderOf(cluster: FakeCluster): Raft | undefined {
  const leaders = up(cluster).filter(({ role }) => role.kind === 'leader');
  return leaders.sort((a, b) => b.term - a.term)[0];
}

let proposals = 0;
let reads = 0;

function act(cluster: FakeCluster, [name, pick, choice]: Action): void {
  const ids = [...cluster.voters.keys()];
  const id = ids[pick % ids.length] ?? (1 as VoterId);
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
    case 'settle':
      for (let left = 200; left > 0 && cluster.network.length > 0; left -= 1) cluster.deliverAt(0);
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
    case 'cut':
      cluster.cut(id, ids[choice % ids.length] ?? id);
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
    case 'join':
    case 'promote':
    case 'remove':
      change(cluster, name, choice, choice % 4 === 0 ? voter.raft : leaderOf(cluster));
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
    case 'transfer':
      cluster.step(leaderOf(cluster)?.id ?? id, {
        kind: 'transfer-requested',
        to: choice % 2 === 0 ? id : undefined,
      });
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

function change(
  cluster: FakeCluster,
  name: 'join' | 'promote' | 'remove',
  choice: number,
  by: Raft | undefined,
): void {
  if (by === undefined) return;
  const { voters, learners } = by.memberships.newest.membership;
  const members = idsOf([...voters, ...learners]);
  const member = members[choice % members.length] ?? by.id;
  if (name === 'promote') {
    const id = learners[choice % Math.max(1, learners.length)]?.id ?? member;
    cluster.step(by.id, { kind: 'membership-proposed', change: { kind: 'promote', id } });
  } else if (name === 'remove') {
    cluster.step(by.id, { kind: 'membership-proposed', change: { kind: 'remove', id: member } });
  } else {
    if (cluster.voters.size >= nodesMax) return;
    const id = (cluster.voters.size + 1) as VoterId;
    cluster.add(id, fakeMembership(idsOf(voters), [id]));
    const added = { kind: 'add-learner', member: fakeMember(id) } as const;
    cluster.step(by.id, { kind: 'membership-proposed', change: added });
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
  const leader = leaderOf(cluster);
  expect(leader, 'a leader').toBeDefined();
  if (leader === undefined) return;
  cluster.step(leader.id, { kind: 'proposed', data: [new Uint8Array([1])] });
  cluster.settle();
  cluster.step(leader.id, { kind: 'tick' });
  cluster.settle();
  const { last } = leader.log;
  const { membership } = leader.memberships.newest;
  for (const raft of up(cluster)) {
    if (memberOf(membership, raft.id) === undefined) {
      expect(raft.role.kind).toBe('follower');
      // Nobody can tell it where all that it knows are gone as well.
      const asks = raft.voters.some((voter) => memberOf(membership, voter) !== undefined);
      if (asks) expect(isRemoved(raft)).toBe(raft.wasMember);
      continue;
    }
    expect([raft.log.last, raft.commit, raft.applied]).toEqual([last, last, last]);
    expect(raft.log.lastPosition.term).toBe(leader.term);
    expect(raft.memberships.newest.membership).toEqual(membership);
  }
  expect(cluster.checker.history.length).toBe(last);
  cluster.checker.logMatching(up(cluster));
}
