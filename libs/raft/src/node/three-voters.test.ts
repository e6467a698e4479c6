import { type Random, silentLogger } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { fakeMember } from '../testing/fake-cluster.ts';
import { FakeDisk } from '../testing/fake-log-storage.ts';
import { FakeMachine } from '../testing/fake-machine.ts';
import { FakeNetwork } from '../testing/fake-network.ts';
import type { VoterId } from '../types.ts';
import type { RaftOptions } from './options.ts';
import { RaftNode } from './raft-node.ts';

/** Goal: the driver's part of several voters. Method: three nodes, fake disks, network and clock. */
const ids = [1, 2, 3] as VoterId[];
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
/** Longer than any election. */
const electionMsMax = 10_000;

interface Member {
  readonly id: VoterId;
  readonly disk: FakeDisk;
  machine: FakeMachine;
  node: RaftNode;
}

class Members {
  readonly clock = new FakeClock();
  readonly network = new FakeNetwork(this.clock);
  readonly #options: Partial<RaftOptions>;
  all: readonly Member[] = [];

  constructor(options: Partial<RaftOptions>) {
    this.#options = options;
  }

  static async open(options: Partial<RaftOptions> = {}): Promise<Members> {
    const members = new Members(options);
    members.all = await Promise.all(
      ids.map(async (id) => {
        const disk = new FakeDisk();
        return { id, disk, ...(await members.start(id, disk)) };
      }),
    );
    return members;
  }

  async start(id: VoterId, disk: FakeDisk): Promise<{ machine: FakeMachine; node: RaftNode }> {
    const machine = new FakeMachine();
    const random: Random = { next: () => id / 7, bytes: (count) => new Uint8Array(count) };
    const node = await RaftNode.open({
      id,
      membership: { voters: ids.map(fakeMember), learners: [] },
      storage: disk.open(),
      machine,
      clock: this.clock,
      random,
      logger: silentLogger,
      transport: this.network.transport(id),
      options: this.#options,
    });
    return { machine, node };
  }

  leaderAmong(members: readonly Member[]): Member | undefined {
    return members.find(({ node }) => node.status.role === 'leader');
  }

  async elected(members = this.all): Promise<Member> {
    await this.clock.until(() => this.leaderAmong(members) !== undefined, electionMsMax);
    const leader = this.leaderAmong(members);
    if (leader === undefined) throw new Error('unreachable: waited for a leader');
    return leader;
  }

  others(member: Member): readonly Member[] {
    return this.all.filter((other) => other !== member);
  }

  /** The outcome of `promise`, with time going on meanwhile. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    void promise.then(() => {
      done = true;
    });
    await this.clock.until(() => done, electionMsMax);
    return promise;
  }

  async stop(): Promise<void> {
    await this.settled(Promise.all(this.all.map(({ node }) => node.stop())));
    expect(this.clock.pending).toBeLessThan(10);
  }
}

test('three voters elect a leader; its proposals reach every machine; a follower reads', async () => {
  const members = await Members.open();
  const leader = await members.elected();
  const [follower] = members.others(leader);
  if (follower === undefined) throw new Error('there are three');
  const outcomes = await members.settled(
    Promise.all(['a', 'b', 'c'].map((text) => leader.node.propose(encode(text)))),
  );
  expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', 'committed', 'committed']);
  expect(await follower.node.propose(encode('x'))).toEqual({
    kind: 'failed',
    code: 'no-leader',
    message: `this voter does not lead the log; voter ${leader.id} leads`,
  });
  const read = await members.settled(follower.node.readIndex());
  expect(read).toEqual({ kind: 'read', index: 4 });
  await members.clock.until(() => follower.machine.index === 4, 1000);
  for (const { machine } of members.all) expect(machine.lines).toEqual(['a', 'b', 'c']);
  await members.stop();
});

test('a leader cut off does not know what became of its proposals, and cannot read', async () => {
  const members = await Members.open();
  const old = await members.elected();
  await members.clock.advance(500);
  members.network.cut(old.id);
  const proposed = old.node.propose(encode('lost'));
  const read = old.node.readIndex();
  const leader = await members.elected(members.others(old));
  expect(await members.settled(proposed)).toMatchObject({ code: 'unknown-outcome' });
  expect(await members.settled(read)).toMatchObject({ code: 'no-leader' });
  expect(old.node.status.role).not.toBe('leader');
  await members.settled(leader.node.propose(encode('new')));
  members.network.heal();
  await members.clock.until(() => old.machine.lines.length > 0, electionMsMax);
  for (const { machine } of members.all) expect(machine.lines).toEqual(['new']);
  await members.stop();
});

test('a voter that slept through a compaction gets the state, and survives a crash after it', async () => {
  const options = { snapshotIntervalEntries: 10, entriesKeptForFollowers: 2 };
  const members = await Members.open(options);
  const leader = await members.elected();
  const [sleeper] = members.others(leader);
  if (sleeper === undefined) throw new Error('there are three');
  members.network.cut(sleeper.id);
  for (let at = 0; at < 30; at += 1) await members.settled(leader.node.propose(encode(`p${at}`)));
  await members.clock.until(() => leader.node.status.snapshot >= 20, 1000);
  members.network.heal();
  await members.clock.until(() => sleeper.machine.index === leader.machine.index, electionMsMax);
  expect(sleeper.machine.restored).toBe(1);
  expect(sleeper.machine.lines).toEqual(leader.machine.lines);
  // The pieces of its disk fit together.
  await members.settled(sleeper.node.stop());
  Object.assign(sleeper, await members.start(sleeper.id, sleeper.disk));
  await members.settled(leader.node.propose(encode('last')));
  await members.clock.until(() => sleeper.machine.lines.at(-1) === 'last', electionMsMax);
  expect(sleeper.machine.lines).toEqual(leader.machine.lines);
  await members.stop();
});

test('a leader whose disk fails steps down and another goes on', async () => {
  const members = await Members.open();
  const broken = await members.elected();
  broken.disk.refuseWrites('no space left on device');
  const proposed = await members.settled(broken.node.propose(encode('x')));
  // The others may have received it and commit it yet.
  expect(proposed).toMatchObject({ kind: 'failed', code: 'unknown-outcome' });
  const leader = await members.elected(members.others(broken));
  expect(await members.settled(leader.node.propose(encode('y')))).toMatchObject({
    kind: 'committed',
  });
  broken.disk.acceptWrites();
  await members.clock.until(() => broken.machine.lines.at(-1) === 'y', 2 * electionMsMax);
  expect(broken.machine.lines).toEqual(leader.machine.lines);
  await members.stop();
});
