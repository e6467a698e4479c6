import { eventually, VoterHarness } from '@shoal/raft/service/testing';
import { newId, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { Transaction } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LeaseHolder } from '../lease.ts';
import type { ReplicaEvent } from '../replica.ts';
import { nodeChange } from '../testing/objects.ts';
import { RemoteReplica } from './remote-replica.ts';

const ports = { clock: systemClock, random: systemRandom, logger: silentLogger };

let harness: VoterHarness;
const replicas: RemoteReplica[] = [];

beforeEach(async () => {
  harness = await VoterHarness.start();
});
afterEach(async () => {
  for (const replica of replicas.splice(0)) replica.stop();
  await harness.close();
});

function replicaOf(voter: VoterHarness): RemoteReplica {
  const client = voter.client();
  const replica = new RemoteReplica({ ...ports, client: () => client, follower: 'test' });
  replicas.push(replica);
  return replica;
}

function write(replica: RemoteReplica, id: string, name = 'a'): Transaction {
  return {
    id: newId(systemRandom),
    actor: { kind: 'user', name: 'test' },
    reason: 'the test says so',
    decidedAt: replica.view.index,
    changes: [nodeChange(replica.view, id, name)],
  };
}

describe('RemoteReplica', () => {
  test('reads its own writes; outcomes come in the order given', async () => {
    const replica = replicaOf(harness);
    const heard: ReplicaEvent[] = [];
    replica.subscribe((event) => heard.push(event));
    const first = write(replica, 'a');
    const again = write(replica, 'a');
    const other = write(replica, 'b');
    const result = await replica.propose([first, again, other]);
    expect(replica.view.nodes.get('b')).toBeDefined();
    if (result.kind !== 'applied') throw new Error(result.message);
    expect(result.outcomes.map((outcome) => [outcome.transaction, outcome.kind])).toEqual([
      [first.id, 'committed'],
      [again.id, 'refused'],
      [other.id, 'committed'],
    ]);
    expect(heard.filter((event) => event.kind === 'applied')).toHaveLength(1);
    expect(replica.ready).toBe(true);
  });

  test('many proposers at once share few entries, and each gets its own outcomes', async () => {
    const replica = replicaOf(harness);
    await replica.catchUp();
    const before = replica.view.index;
    const all = Array.from({ length: 500 }, (_, at) => write(replica, `n${at}`));
    const results = await Promise.all(all.map((each) => replica.propose([each])));
    for (const [at, result] of results.entries()) {
      if (result.kind !== 'applied') throw new Error(result.message);
      expect(result.outcomes).toMatchObject([{ kind: 'committed', transaction: all[at]?.id }]);
    }
    expect(replica.view.index - before).toBeLessThan(100);
  });

  test('catchUp shows what another replica wrote before', async () => {
    const [one, two] = [replicaOf(harness), replicaOf(harness)];
    await one.propose([write(one, 'a')]);
    const caught = await two.catchUp();
    expect(caught.kind).toBe('caught-up');
    expect(two.view.nodes.get('a')).toBeDefined();
  });

  test('a proposal of many megabytes is split; one that can never fit is refused', async () => {
    const replica = replicaOf(harness);
    const long = 'x'.repeat(50_000);
    const many = Array.from({ length: 100 }, (_, at) => ({
      ...write(replica, `n${at}`),
      reason: long,
    }));
    expect((await replica.propose(many)).kind).toBe('applied');
    const huge = write(replica, 'huge');
    const labels = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`${at}`, long]));
    const [change] = huge.changes;
    if (change?.op !== 'create' || change.table !== 'node') throw new Error('not a node');
    const object = { ...change.object, spec: { ...change.object.spec, Labels: labels } };
    const result = await replica.propose([{ ...huge, changes: [{ ...change, object }] }]);
    expect(result).toMatchObject({ kind: 'failed' });
    expect(replica.view.nodes.get('huge')).toBeUndefined();
  });

  test('heals by itself after a crash of the voter, and loses nothing that was acknowledged', async () => {
    const replica = replicaOf(harness);
    const client = harness.client();
    const lease = new LeaseHolder({
      ...ports,
      client: () => client,
      id: `scheduler@${harness.nodeId}/0`,
      stage: 'scheduler',
      nodeId: harness.nodeId,
      address: '',
    });
    await replica.propose([write(replica, 'before')]);
    await eventually(() => lease.current !== undefined, 'the lease is granted');
    const epoch = lease.current?.epoch ?? 0;
    const events: string[] = [];
    replica.subscribe((event) => events.push(event.kind));
    await harness.crash();
    const meanwhile = replica.propose([write(replica, 'meanwhile')]);
    await harness.restart();
    expect(await meanwhile).toMatchObject({ kind: 'applied' });
    expect(replica.view.nodes.get('before')).toBeDefined();
    expect(replica.view.nodes.get('meanwhile')).toBeDefined();
    expect(events).not.toContain('reset');
    await eventually(() => (lease.current?.epoch ?? 0) > epoch, 'the lease is claimed again');
    const held = lease.current;
    await eventually(
      () => replica.view.leases.get(held?.id ?? '')?.meta.version === held?.epoch,
      'the replica sees the lease',
    );
    await lease.release();
    await eventually(() => replica.view.leases.size === 0, 'the lease is given back');
  });

  test('what is under way when the voter dies is said again, and counts once', async () => {
    const replica = replicaOf(harness);
    await replica.catchUp();
    const under = replica.propose([write(replica, 'a')]);
    await harness.crash();
    await harness.restart();
    const result = await under;
    expect(result).toMatchObject({ kind: 'applied', outcomes: [{ kind: 'committed' }] });
    expect(replica.view.nodes.get('a')).toBeDefined();
  });
});
