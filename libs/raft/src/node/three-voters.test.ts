import { expect, test } from 'vitest';
import { electionMsMax, FakeNodes } from '../testing/fake-nodes.ts';

/** Goal: the driver's part of several voters. Method: three nodes, fake disks, network and clock. */
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

test('three voters elect a leader; its proposals reach every machine; a follower reads', async () => {
  const nodes = await FakeNodes.open();
  const leader = await nodes.elected();
  const [follower] = nodes.others(leader);
  const outcomes = await nodes.settled(
    Promise.all(['a', 'b', 'c'].map((text) => leader.node.propose(encode(text)))),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', 'committed', 'committed']);
  expect(await follower.node.propose(encode('x'))).toEqual({
    kind: 'failed',
    code: 'no-leader',
    message: `this voter does not lead the log; voter ${leader.id} leads`,
  });
  const read = await nodes.settled(follower.node.readIndex());
  expect(read).toEqual({ kind: 'read', index: 4 });
  await nodes.clock.until(() => follower.machine.index === 4, 1000);
  for (const { machine } of nodes.all) expect(machine.lines).toEqual(['a', 'b', 'c']);
  await nodes.stop();
});

test('a leader cut off does not know what became of its proposals, and cannot read', async () => {
  const nodes = await FakeNodes.open();
  const old = await nodes.elected();
  await nodes.clock.advance(500);
  nodes.network.cut(old.id);
  const proposed = old.node.propose(encode('lost'));
  const read = old.node.readIndex();
  const leader = await nodes.elected(nodes.others(old));
  expect(await nodes.settled(proposed)).toMatchObject({ code: 'unknown-outcome' });
  expect(await nodes.settled(read)).toMatchObject({ code: 'no-leader' });
  expect(old.node.status.role).not.toBe('leader');
  await nodes.settled(leader.node.propose(encode('new')));
  nodes.network.heal();
  await nodes.clock.until(() => old.machine.lines.length > 0, electionMsMax);
  for (const { machine } of nodes.all) expect(machine.lines).toEqual(['new']);
  await nodes.stop();
});

test('a voter that slept through a compaction gets the state, and survives a crash after it', async () => {
  const options = { snapshotIntervalEntries: 10, entriesKeptForFollowers: 2 };
  const nodes = await FakeNodes.open(options);
  const leader = await nodes.elected();
  const [sleeper] = nodes.others(leader);
  nodes.network.cut(sleeper.id);
  for (let at = 0; at < 30; at += 1) await nodes.settled(leader.node.propose(encode(`p${at}`)));
  await nodes.clock.until(() => leader.node.status.snapshot >= 20, 1000);
  nodes.network.heal();
  await nodes.clock.until(() => sleeper.machine.index === leader.machine.index, electionMsMax);
  expect(sleeper.machine.restored).toBe(1);
  expect(sleeper.machine.lines).toEqual(leader.machine.lines);
  // The pieces of its disk fit together.
  await nodes.settled(sleeper.node.stop());
  Object.assign(sleeper, await nodes.start(sleeper.id, sleeper.disk));
  await nodes.settled(leader.node.propose(encode('last')));
  await nodes.clock.until(() => sleeper.machine.lines.at(-1) === 'last', electionMsMax);
  expect(sleeper.machine.lines).toEqual(leader.machine.lines);
  await nodes.stop();
});

test('a leader whose disk fails steps down and another goes on', async () => {
  const nodes = await FakeNodes.open();
  const broken = await nodes.elected();
  broken.disk.refuseWrites('no space left on device');
  const proposed = await nodes.settled(broken.node.propose(encode('x')));
  // The others may have received it and commit it yet.
  expect(proposed).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  const leader = await nodes.elected(nodes.others(broken));
  expect(await nodes.settled(leader.node.propose(encode('y')))).toMatchObject({
    kind: 'committed',
  });
  broken.disk.acceptWrites();
  await nodes.clock.until(() => broken.machine.lines.at(-1) === 'y', 2 * electionMsMax);
  expect(broken.machine.lines).toEqual(leader.machine.lines);
  await nodes.stop();
});
