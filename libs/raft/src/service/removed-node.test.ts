import { once } from 'node:events';
import { RenewableProof } from '@shoal/pki';
import { type Instant, systemClock } from '@shoal/runtime';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { dial } from '../wire/dial.ts';
import { delivering } from '../wire/protocol.ts';
import { clientProof } from './testing/certificates.ts';
import { ClusterHarness, type HarnessVoter, nodeName } from './testing/cluster-harness.ts';
import { eventually } from './testing/eventually.ts';
import { Follower } from './testing/follower.ts';
import { createCluster, createNode, Proposer, transaction } from './testing/proposer.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cluster: ClusterHarness;
beforeAll(async () => {
  // Leases end with their leader: the first one is to lead to the end on a slow machine as well.
  cluster = await ClusterHarness.start(3, { electionTicks: 50 });
});
afterAll(() => cluster.close());

/** One stream of each kind of this node at one voter, once all of them stand; names those that end. */
async function streams(voter: HarnessVoter, nodeId: string): Promise<ReadonlySet<string>> {
  const { member } = voter;
  const tls = await cluster.proof(nodeId);
  const client = cluster.client(voter, tls);
  const deliver = dial({
    addr: member.addr,
    source: new RenewableProof(clientProof(tls)),
    opening: { $case: 'deliver', value: { from: 99, to: member.id, fromAddr: '' } },
    codec: delivering,
    clock: systemClock,
  });
  const propose = client.propose();
  const follow = client.follow({ after: 0, follower: 'test', prompt: true });
  const lease = client.holdLease();
  const id = `scheduler@${nodeId}/${member.id}`;
  lease.write({ body: { $case: 'claim', value: { id, stage: 'scheduler', nodeId, address: '' } } });
  const ended = new Set<string>();
  for (const [name, stream] of Object.entries({ propose, follow, deliver }))
    stream.on('error', () => undefined).on('close', () => ended.add(name));
  lease.on('error', () => ended.add('lease'));
  const standing = [propose, follow, deliver].map((stream) => once(stream, 'open'));
  await Promise.all([...standing, once(lease, 'data')]);
  return ended;
}

test('the streams of a node that is removed end on every voter, and nobody else loses one', async () => {
  const [removed, staying] = [nodeName(8), nodeName(9)];
  const client = cluster.client(await cluster.leader());
  const proposer = new Proposer(client);
  const spec = { Labels: {}, Role: 'manager', Availability: 'active' } as const;
  const nodes = [1, 2, 3].map((id) => createNode(nodeName(id), { spec, role: 'manager' }));
  const { index } = await proposer.propose(transaction([createCluster(), ...nodes]));
  const cut = await Promise.all(cluster.voters.map((voter) => streams(voter, removed)));
  const kept = await Promise.all(cluster.voters.map((voter) => streams(voter, staying)));
  const { state } = new Follower(client);
  await eventually(() => state.view.index >= index, 'the cluster is there');
  const object = state.view.cluster;
  if (object === undefined) throw new Error('no cluster');
  const removedNodes = { [removed]: (systemClock.now() + 3_600_000) as Instant };
  const removal = { op: 'update', table: 'cluster', object: { ...object, removedNodes } } as const;
  expect((await proposer.propose(transaction([removal]))).error).toBeUndefined();
  await eventually(() => cut.every(({ size }) => size === 4), 'all of them end');
  expect(kept.flatMap((ended) => [...ended])).toEqual([]);
  const again = cluster.client(cluster.voter(0), await cluster.proof(removed)).propose();
  const [error] = (await once(again, 'error')) as [Error];
  expect(error.message).toContain(`${removed} was removed from the swarm`);
});
