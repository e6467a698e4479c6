import { expect, test } from 'vitest';
import { fakeMember, fakeMembership } from '../testing/fake-cluster.ts';
import { electionMsMax, FakeNodes } from '../testing/fake-nodes.ts';
import type { Membership, VoterId } from '../types.ts';

/** Goal: members that come, go and lead, as the host of a voter sees it. Method: nodes on fakes. */
const id = (number: number): VoterId => number as VoterId;
const ids = (membership: Membership): unknown => ({
  voters: membership.voters.map((member) => member.id),
  learners: membership.learners.map((member) => member.id),
});
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

test('one that joins is a learner, catches up, becomes a voter, and counts', async () => {
  const nodes = await FakeNodes.open({}, 1);
  const leader = await nodes.elected();
  await nodes.settled(leader.node.propose(encode('before')));
  const joiner = await nodes.add(id(2), { membership: fakeMembership([id(1)], [id(2)]) });
  const seen: unknown[] = [];
  joiner.node.onMembership((membership) => seen.push(ids(membership)));
  nodes.network.cut(id(2));
  const added = await nodes.settled(
    leader.node.changeMembership({ kind: 'add-learner', member: fakeMember(id(2)) }),
  );
  expect(added).toEqual({ kind: 'committed', index: 3 });
  expect(await leader.node.changeMembership({ kind: 'promote', id: id(2) })).toMatchObject({
    code: 'busy',
  });
  nodes.network.heal();
  await nodes.clock.until(() => joiner.machine.lines.length === 1, electionMsMax);
  expect(leader.node.status).toMatchObject({ quorum: { voters: 1, active: 1 } });
  const promoted = leader.node.changeMembership({ kind: 'promote', id: id(2) });
  expect(await nodes.settled(promoted)).toMatchObject({ kind: 'committed' });
  await nodes.clock.advance(100);
  expect(seen.at(0)).toEqual({ voters: [1], learners: [2] });
  expect(seen.at(-1)).toEqual({ voters: [1, 2], learners: [] });
  expect(leader.node.status).toMatchObject({
    quorum: { voters: 2, active: 2 },
    peers: [{ id: 2, learner: false, active: true, match: 4, state: 'replicate' }],
  });
  expect(nodes.network.membersOf(id(2))).toEqual([fakeMember(id(1)), fakeMember(id(2))]);
  // Two of two are needed now.
  nodes.network.cut(id(2));
  const lonely = leader.node.propose(encode('lonely'));
  expect(await nodes.settled(lonely)).toMatchObject({ code: 'unknown-outcome' });
  nodes.network.heal();
  await nodes.elected();
  await nodes.stop();
});

test('a voter that is removed hears of it; what cannot be changed is refused with a sentence', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  await nodes.clock.advance(500);
  const [follower] = nodes.others(leader);
  let removed = 0;
  follower.node.onRemoved(() => {
    removed += 1;
  });
  const { node } = leader;
  expect(await node.changeMembership({ kind: 'promote', id: id(9) })).toEqual({
    kind: 'failed',
    code: 'refused',
    message: 'voter 9 is no learner',
  });
  const removal = node.changeMembership({ kind: 'remove', id: follower.id });
  expect(await node.changeMembership({ kind: 'remove', id: leader.id })).toMatchObject({
    code: 'busy',
  });
  expect(await nodes.settled(removal)).toMatchObject({ kind: 'committed' });
  await nodes.clock.until(() => removed === 1, electionMsMax);
  expect(await follower.node.changeMembership({ kind: 'remove', id: id(1) })).toMatchObject({
    code: 'no-leader',
  });
  await nodes.clock.advance(electionMsMax);
  expect([removed, follower.node.status.role]).toEqual([1, 'follower']);
  // Also who asks late.
  follower.node.onRemoved(() => {
    removed += 1;
  });
  expect(removed).toBe(2);
  await nodes.stop();
});

test('a voter removed while it was down learns it from those it asks for votes', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  const [follower] = nodes.others(leader);
  await nodes.clock.advance(500);
  nodes.network.cut(follower.id);
  await nodes.settled(leader.node.changeMembership({ kind: 'remove', id: follower.id }));
  await nodes.clock.advance(electionMsMax);
  let removed = false;
  follower.node.onRemoved(() => {
    removed = true;
  });
  expect(removed).toBe(false);
  const { term } = leader.node.status;
  nodes.network.heal();
  await nodes.clock.until(() => removed, electionMsMax);
  expect(leader.node.status).toMatchObject({ role: 'leader', term });
  await nodes.stop();
});

test('a leader that removes itself answers, and another leads within an election timeout', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  const others = nodes.others(leader);
  const removal = leader.node.changeMembership({ kind: 'remove', id: leader.id });
  expect(await nodes.settled(removal)).toMatchObject({ kind: 'committed' });
  await nodes.clock.until(() => nodes.leaderAmong(others) !== undefined, 100);
  expect(leader.node.status.role).toBe('follower');
  await nodes.stop();
});

test('leadership is handed over to the asked one; what is proposed meanwhile is refused as busy', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  await nodes.clock.advance(500);
  const [heir, other] = nodes.others(leader);
  expect(await heir.node.transferLeadership()).toMatchObject({ code: 'no-leader' });
  expect(await leader.node.transferLeadership(id(9))).toMatchObject({ code: 'refused' });
  const transfer = leader.node.transferLeadership(heir.id);
  expect(await leader.node.transferLeadership(other?.id)).toMatchObject({ code: 'busy' });
  expect(await leader.node.propose(encode('x'))).toMatchObject({ code: 'busy' });
  expect(await nodes.settled(transfer)).toEqual({ kind: 'transferred', to: heir.id });
  await nodes.settled(heir.node.propose(encode('y')));
  await nodes.clock.until(() => leader.machine.lines.length === 1, 1000);
  expect(leader.machine.lines).toEqual(['y']);
  await nodes.stop();
});

test('an heir that does not answer: the leader goes on after an election timeout', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  await nodes.clock.advance(500);
  const [heir] = nodes.others(leader);
  nodes.network.cut(heir.id);
  const transfer = await nodes.settled(leader.node.transferLeadership(heir.id));
  expect(transfer).toMatchObject({ kind: 'failed', code: 'busy' });
  expect(await nodes.settled(leader.node.propose(encode('x')))).toMatchObject({
    kind: 'committed',
  });
  nodes.network.heal();
  await nodes.stop();
});

test('a leader that stops hands over first; what it took in is committed', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  const others = nodes.others(leader);
  const accepted = leader.node.propose(encode('accepted'));
  await nodes.settled(Promise.all([leader.node.stop(), leader.node.stop()]));
  expect(await accepted).toMatchObject({ kind: 'committed' });
  const heir = nodes.leaderAmong(others);
  expect(heir?.node.status.leader).toBe(heir?.id);
  expect(await leader.node.propose(encode('late'))).toMatchObject({ code: 'no-leader' });
  await nodes.stop();
});

test('without a quorum it is said how many managers are missing', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  const [a, b] = nodes.others(leader);
  nodes.network.cut(a.id);
  if (b !== undefined) nodes.network.cut(b.id);
  await nodes.clock.advance(electionMsMax);
  const message = 'the swarm does not have a leader: 1 of 3 managers is reachable, 2 are needed';
  const failure = { kind: 'failed', code: 'no-leader', message };
  expect(await leader.node.propose(encode('x'))).toEqual(failure);
  expect(await nodes.settled(leader.node.readIndex())).toEqual(failure);
  nodes.network.heal();
  await nodes.elected();
  await nodes.stop();
});

test('one of three goes on alone, with all it had, and stays alone without being told again', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  await nodes.settled(leader.node.propose(encode('kept')));
  const survivor = nodes.others(leader)[0];
  await nodes.clock.until(() => survivor.machine.lines.length === 1, 1000);
  await nodes.stop();
  nodes.all = [survivor];
  const now = { ...fakeMember(survivor.id), addr: '10.9.9.9:2377' };
  const membership = { voters: [now], learners: [] };
  const start = { membership, recovery: 'new-cluster' } as const;
  Object.assign(survivor, await nodes.start(survivor.id, survivor.disk, start));
  expect(survivor.node.status).toMatchObject({ role: 'leader', membership });
  expect(survivor.machine.lines).toEqual(['kept']);
  await nodes.settled(survivor.node.propose(encode('alone')));
  await nodes.stop();
  Object.assign(survivor, await nodes.start(survivor.id, survivor.disk));
  expect(survivor.node.status).toMatchObject({ role: 'leader', membership });
  expect(survivor.machine.lines).toEqual(['kept', 'alone']);
  await nodes.stop();
});

test('going on alone fails where it cannot be written down', async () => {
  const nodes = await FakeNodes.open({}, 2);
  const leader = await nodes.elected();
  await nodes.stop();
  nodes.all = [];
  leader.disk.refuseWrites('no space left on device');
  const opened = nodes.start(leader.id, leader.disk, { recovery: 'new-cluster' });
  await expect(opened).rejects.toThrow('no space left on device');
});

test('a thousand proposals in one turn cost each follower one append', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  await nodes.clock.advance(500);
  const before = nodes.network.sent.get('append') ?? 0;
  const proposals = Array.from({ length: 1000 }, (_, at) => leader.node.propose(encode(`${at}`)));
  const outcomes = await nodes.settled(Promise.all(proposals));
  expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['committed']));
  await nodes.clock.advance(10);
  // And one more carries the commit.
  expect((nodes.network.sent.get('append') ?? 0) - before).toBe(2 * 2);
  await nodes.stop();
});

test('a follower whose disk fails holds nobody up, and comes back', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  const [follower] = nodes.others(leader);
  follower.disk.refuseWrites('I/O error');
  for (const text of ['a', 'b'])
    expect(await nodes.settled(leader.node.propose(encode(text)))).toMatchObject({
      kind: 'committed',
    });
  expect(follower.machine.lines).toEqual([]);
  follower.disk.acceptWrites();
  await nodes.clock.until(() => follower.machine.lines.length === 2, 2 * electionMsMax);
  expect(leader.node.status.role).toBe('leader');
  await nodes.stop();
});
