import { once } from 'node:events';
import { channelOptions, RenewableProof } from '@shoal/pki';
import {
  ClusterMembershipClient,
  type JoinVoterResponse,
  type LeaveVoterResponse,
} from '@shoal/proto';
import { systemClock } from '@shoal/runtime';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dial } from '../wire/dial.ts';
import { delivering } from '../wire/protocol.ts';
import type { VoterClient } from '../wire/voter-client.ts';
import { forwardedMetadata } from './leader-route.ts';
import { clientProof, credentialsOf } from './testing/certificates.ts';
import { ClusterHarness, nodeName } from './testing/cluster-harness.ts';
import { eventually } from './testing/eventually.ts';
import { Follower } from './testing/follower.ts';
import { createCluster, createNode, Proposer, transaction } from './testing/proposer.ts';
import { statusOf } from './testing/voter-harness.ts';
import type { VoterTls } from './worker-protocol.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const [self, other, demoted] = [nodeName(1), nodeName(8), nodeName(9)];
const spec = { Labels: {}, Role: 'manager', Availability: 'active' } as const;
let cluster: ClusterHarness;
/** What the node was given while it was a manager. */
let tls: VoterTls;
let old: VoterClient;
beforeAll(async () => {
  cluster = await ClusterHarness.start(1);
  tls = await cluster.proof(demoted);
  old = cluster.client(await cluster.leader(), tls);
});
afterAll(() => cluster.close());

function lease(client: VoterClient, nodeId: string) {
  const stream = client.holdLease();
  const id = `scheduler@${nodeId}/1`;
  const claim = { id, stage: 'scheduler', nodeId, address: '' };
  stream.write({ body: { $case: 'claim', value: claim } });
  return stream;
}

/** Why the call fails. */
async function failure(stream: NodeJS.EventEmitter): Promise<string> {
  const [error] = (await once(stream, 'error')) as [Error];
  return error.message;
}

test('the streams of a manager end as it becomes a worker, and nobody else loses one', async () => {
  const proposer = new Proposer(cluster.client(cluster.voter(0)));
  const nodes = [self, other, demoted].map((id) => createNode(id, { spec, role: 'manager' }));
  await proposer.propose(transaction([createCluster(), ...nodes]));
  const staying = cluster.client(cluster.voter(0), await cluster.proof(other));
  const ended = new Set<string>();
  for (const [who, client] of [
    ['old', old],
    ['staying', staying],
  ] as const) {
    const propose = client.propose();
    const follow = client.follow({ after: 0, follower: 'test', prompt: true });
    const held = lease(client, who === 'old' ? demoted : other);
    for (const [name, stream] of Object.entries({ propose, follow, held }))
      stream
        .on('error', () => ended.add(`${who} ${name}`))
        .on('close', () => ended.add(`${who} ${name}`));
    await Promise.all([once(propose, 'open'), once(follow, 'open'), once(held, 'data')]);
  }
  const { state } = new Follower(cluster.client(cluster.voter(0)));
  await eventually(() => state.view.nodes.get(demoted) !== undefined, 'the nodes are there');
  const node = state.view.nodes.get(demoted);
  if (node === undefined) throw new Error('no node');
  // The leader makes it a worker once it is no member.
  const object = { ...node, spec: { ...spec, Role: 'worker' } } as const;
  await proposer.propose(transaction([{ op: 'update', table: 'node', object }]));
  await eventually(() => ended.size === 3, 'its streams end');
  expect([...ended].sort()).toEqual(['old follow', 'old held', 'old propose']);
});

describe('with the certificate of a manager, a worker', () => {
  test.each([
    ['proposes nothing', () => old.propose()],
    ['follows nothing', () => old.follow({ after: 0, follower: 'test', prompt: false })],
    ['holds no lease', () => lease(old, demoted)],
  ])('%s', async (_what, open) => {
    expect(await failure(open())).toContain(`${demoted} is a manager no more`);
  });

  test('does not make others leave', async () => {
    const { addr, id } = cluster.voter(0).member;
    const client = new ClusterMembershipClient(addr, credentialsOf(tls), channelOptions('manager'));
    const left = new Promise<LeaveVoterResponse>((resolve, reject) =>
      client.leave({ id }, forwardedMetadata(), (error, response) =>
        error === null ? resolve(response) : reject(error),
      ),
    );
    await expect(left).rejects.toThrow(`${demoted} is a manager no more`);
    client.close();
  });

  test('may ask to be taken in: a voter that is behind does not know yet whom the leader does', async () => {
    const { addr } = cluster.voter(0).member;
    const client = new ClusterMembershipClient(addr, credentialsOf(tls), channelOptions('manager'));
    const member = { id: 99, nodeId: demoted, addr: '127.0.0.1:1' };
    const joined = new Promise<JoinVoterResponse>((resolve, reject) =>
      client.join({ member }, (error, response) =>
        error === null ? resolve(response) : reject(error),
      ),
    );
    await expect(joined).rejects.toThrow(`node ${demoted} is not to be a manager`);
    client.close();
  });

  test('is heard as a voter: one that is behind may know its leader so', async () => {
    const { addr, id: to } = cluster.voter(0).member;
    const deliver = dial({
      addr,
      source: new RenewableProof(clientProof(tls)),
      opening: { $case: 'deliver', value: { from: 99, to, fromAddr: '' } },
      codec: delivering,
      clock: systemClock,
    });
    await once(deliver, 'open');
    deliver.on('error', () => undefined);
    deliver.cancel();
    expect(await statusOf(old)).toMatchObject({ voterId: to });
  });
});

test('the processes of the own host use its voter, which may be behind', async () => {
  const own = new Proposer(cluster.client(cluster.voter(0)));
  const { state } = new Follower(cluster.client(cluster.voter(0)));
  await eventually(() => state.view.nodes.get(self) !== undefined, 'the node is there');
  const node = state.view.nodes.get(self);
  if (node === undefined) throw new Error('no node');
  const object = { ...node, spec: { ...spec, Role: 'worker' }, role: 'worker' } as const;
  await own.propose(transaction([{ op: 'update', table: 'node', object }]));
  await eventually(() => state.view.nodes.get(self)?.role === 'worker', 'it is a worker');
  const propose = cluster.client(cluster.voter(0)).propose();
  propose.on('error', () => undefined);
  await once(propose, 'open');
});
