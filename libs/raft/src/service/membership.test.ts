import { afterEach, describe, expect, test, vi } from 'vitest';
import { ClusterHarness, type HarnessVoter, nodeName } from './testing/cluster-harness.ts';
import { eventually } from './testing/eventually.ts';
import { Follower } from './testing/follower.ts';
import { createCluster, createNode, Proposer, transaction } from './testing/proposer.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cluster: ClusterHarness | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

async function start(count: number, raft = {}): Promise<ClusterHarness> {
  cluster = await ClusterHarness.start(count, raft);
  return cluster;
}

async function membersOf({
  voter,
}: HarnessVoter): Promise<{ voters: number[]; learners: number[] }> {
  const { members } = await voter.status();
  const idsWhere = (learner: boolean): number[] =>
    members.filter((each) => each.learner === learner).map(({ member }) => member?.id ?? 0);
  return { voters: idsWhere(false), learners: idsWhere(true) };
}

/** A cluster object and a manager node for each of the ids. */
async function name(managers: ClusterHarness, ...ids: number[]): Promise<Proposer> {
  const proposer = new Proposer(managers.client(await managers.leader()));
  const spec = { Labels: {}, Role: 'manager', Availability: 'active' } as const;
  const nodes = ids.map((id) => createNode(nodeName(id), { spec, role: 'manager' }));
  const answer = await proposer.propose(transaction([createCluster(), ...nodes]));
  expect(answer.error).toBeUndefined();
  return proposer;
}

describe('joining', () => {
  test('a newcomer becomes a voter through any voter, and has what the others have', async () => {
    const three = await start(3);
    const proposer = await name(three, 1, 2, 3, 4);
    for (let at = 0; at < 20; at += 1)
      await proposer.propose(transaction([createNode(`node-${at}`)]));
    const [follower] = await three.others();
    const fourth = await three.newcomer(4);
    const voters = await three.join(fourth, follower as HarnessVoter);
    expect(voters.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    // The others may have committed it without the newcomer, which then is about to hear of it.
    await eventually(
      async () => (await membersOf(fourth)).voters.length === 4,
      'the newcomer knows that it counts',
    );
    expect(await membersOf(fourth)).toEqual({ voters: [1, 2, 3, 4], learners: [] });
    const leader = await three.leader();
    const { committed } = await leader.voter.status();
    await eventually(
      async () => (await fourth.voter.status()).applied >= committed,
      'the newcomer has everything',
    );
    // A repetition is answered as well.
    expect(await three.join(fourth, leader)).toHaveLength(4);
    const proposed = await new Proposer(three.client(fourth)).propose(
      transaction([createNode('through-the-fourth')]),
    );
    expect(proposed.error).toBeUndefined();
  });

  test('a newcomer that lacks what was compacted is sent a snapshot', async () => {
    const raft = { snapshotIntervalEntries: 10, entriesKeptForFollowers: 5 };
    const one = await start(1, raft);
    const proposer = await name(one, 1, 2);
    // Larger than one piece of a snapshot.
    const Labels = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [`label-${at}`, 'x'.repeat(400)]),
    );
    const spec = { Labels, Role: 'worker', Availability: 'active' } as const;
    for (let at = 0; at < 60; at += 1)
      await proposer.propose(transaction([createNode(`node-${at}`, { spec })]));
    const first = one.voter(0);
    await eventually(
      async () => (await first.voter.status()).firstIndex > 20,
      'the log is compacted',
    );
    const second = await one.newcomer(2);
    await one.join(second, first);
    const { committed } = await first.voter.status();
    await eventually(
      async () => (await second.voter.status()).applied >= committed,
      'the newcomer has everything',
    );
    expect((await second.voter.status()).snapshotIndex).toBeGreaterThan(20);
    await one.restart(second);
    await eventually(
      async () => (await second.voter.status()).applied >= committed,
      'the newcomer has everything after a restart',
    );
  });

  test('one that cannot be reached, is no manager, or is another node, is refused', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3, 4);
    const leader = await three.leader();
    const fourth = await three.newcomer(4);
    const fifth = await three.newcomer(5);
    await expect(three.join(fifth, leader)).rejects.toThrow(/node0+5 is not to be a manager/);
    const posing = { ...fourth, options: fifth.options };
    await expect(three.join(posing, leader)).rejects.toThrow('for itself only');
    const member = { ...fourth.member, addr: fifth.member.addr };
    await expect(three.join({ ...fourth, member }, leader)).rejects.toThrow(
      /the leader cannot reach this manager at .*another manager answers there \(5, not 4\)/,
    );
    await three.kill(fourth);
    await expect(three.join(fourth, leader)).rejects.toThrow(
      `the leader cannot reach this manager at ${fourth.member.addr}: no connection within 5 s`,
    );
    expect((await membersOf(leader)).voters).toEqual([1, 2, 3]);
  });

  test('a newcomer that cannot catch up keeps no later one waiting', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3, 4, 5);
    const leader = await three.leader();
    const fourth = await three.newcomer(4);
    await three.kill(fourth);
    await leader.voter.changeMembership({ kind: 'add-learner', member: fourth.member });
    const voters = await three.join(await three.newcomer(5), leader);
    expect(voters.map(({ id }) => id)).toEqual([1, 2, 3, 5]);
    expect((await membersOf(leader)).learners).toEqual([4]);
    // It is promoted when it is back.
    await three.restart(fourth);
    await eventually(
      async () => (await membersOf(leader)).voters.length === 5,
      'the one that was away counts as well',
    );
  });

  test('a node that lost its disk joins as a new voter in place of its old one', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3);
    const [old] = await three.others();
    const lost = old as HarnessVoter;
    await three.kill(lost);
    const again = await three.newcomer(9, lost.member.nodeId);
    await three.join(again, await three.leader());
    const { voters } = await membersOf(again);
    expect(voters).toHaveLength(3);
    expect(voters).toContain(9);
    expect(voters).not.toContain(lost.member.id);
  });
});

describe('leaving', () => {
  test('a voter leaves through any voter and is told; the others go on', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3);
    const [leaving, staying] = (await three.others()) as [HarnessVoter, HarnessVoter];
    await three.leave(leaving, staying);
    await eventually(() => leaving.removed, 'the one that left is told');
    expect((await membersOf(staying)).voters).not.toContain(leaving.member.id);
    const answer = await new Proposer(three.client(staying)).propose(
      transaction([createNode('after')]),
    );
    expect(answer.error).toBeUndefined();
  });

  test('the leader hands over before it leaves', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3);
    const leader = await three.leader();
    await three.leave(leader, leader);
    await eventually(() => leader.removed, 'the old leader is told');
    const next = await three.leader();
    expect((await membersOf(next)).voters).not.toContain(leader.member.id);
  });

  test('nobody leaves for somebody else, and not when the quorum would be lost', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3);
    const leader = await three.leader();
    const [one, two] = (await three.others()) as [HarnessVoter, HarnessVoter];
    await expect(three.leave(one, leader, two)).rejects.toThrow('for itself only');
    await three.kill(two);
    await eventually(
      async () => (await leader.voter.status()).active === 2,
      'the leader misses the one that was killed',
    );
    await expect(three.leave(one, leader)).rejects.toThrow('loss of quorum');
  });
});

describe('the roles of nodes', () => {
  test('a manager that is demoted is removed, and its role follows; one in the record is a voter', async () => {
    const three = await start(3);
    await name(three, 1, 2, 3);
    const leader = await three.leader();
    const { view } = new Follower(three.client(leader)).state;
    const recorded = (id: number) => view.nodes.get(nodeName(id))?.manager;
    await eventually(
      () => recorded(1)?.raftId === 1 && recorded(3)?.addr === three.voter(2).member.addr,
      'the voters are recorded',
    );
    // The leader itself: another one has to lead first.
    const node = view.nodes.get(leader.member.nodeId);
    if (node === undefined) throw new Error('no node');
    const demoted = { ...node, spec: { ...node.spec, Role: 'worker' as const } };
    const proposer = new Proposer(three.client(leader));
    const answer = await proposer.propose(
      transaction([{ op: 'update', table: 'node', object: demoted }]),
    );
    expect(answer.error).toBeUndefined();
    await eventually(() => leader.removed, 'the demoted one is told');
    const next = await three.leader();
    const { view: after } = new Follower(three.client(next)).state;
    await eventually(() => {
      const known = after.nodes.get(leader.member.nodeId);
      return known?.role === 'worker' && known.manager === undefined;
    }, 'its role follows');
    expect((await membersOf(next)).voters).toHaveLength(2);
  });
});
