import { type ServiceError, status } from '@grpc/grpc-js';
import {
  type ClusterCa,
  channelCredentials,
  channelOptions,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  type NodeRole,
  type NodeServer,
  type Proof,
  RenewableProof,
} from '@shoal/pki';
import { type AttachContainerResponse, DispatcherClient } from '@shoal/proto';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Dispatcher } from '../core/dispatcher.ts';
import { NetworkSwarm } from '../testing/fake-network-swarm.ts';
import { serveDispatcher } from './server.ts';

const clusterId = 'cluster0000000000000000000';
const patience = { timeout: 5_000, interval: 5 };

let swarm: NetworkSwarm;
let ca: ClusterCa;
let dispatcher: Dispatcher;
let server: NodeServer;
let clients: DispatcherClient[];

beforeEach(async () => {
  clients = [];
  swarm = new NetworkSwarm();
  ca = await createClusterCa(systemClock.now(), systemRandom);
  dispatcher = swarm.start();
  server = await serveDispatcher({
    listen: { host: '127.0.0.1', port: 0 },
    source: new RenewableProof(await proofOf('n1', 'manager')),
    clusterId,
    dispatcher,
    logger: silentLogger,
  });
});
afterEach(async () => {
  for (const client of clients) client.close();
  dispatcher.stop();
  await server.close();
});

async function proofOf(nodeId: string, role: NodeRole): Promise<Proof> {
  const { key, request } = await createNodeKey();
  const subject = { nodeId, role, clusterId };
  const now = systemClock.now();
  const issued = await issueCertificate({ ca, request, subject, now, random: systemRandom });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { caCertificate: ca.certificate, certificate: issued.certificate, key };
}

async function clientOf(nodeId: string, role: NodeRole): Promise<DispatcherClient> {
  const credentials = channelCredentials(await proofOf(nodeId, role));
  const client = new DispatcherClient(`127.0.0.1:${server.port}`, credentials, {
    ...channelOptions('manager'),
    'grpc.use_local_subchannel_pool': 1,
  });
  clients.push(client);
  return client;
}

type Answered<A> = (error: ServiceError | null, answer: A) => void;

/** The code that the call ends with. */
function codeOf<A>(call: (answered: Answered<A>) => unknown): Promise<number> {
  return new Promise((resolve) => call((error) => resolve(error?.code ?? status.OK)));
}

const attachment = { networkId: 'net', attachmentId: '', name: '', wanted: '' };

test('a worker attaches containers of its own, and nobody else takes them away', async () => {
  const [own, other] = [await clientOf('n2', 'worker'), await clientOf('n1', 'worker')];
  const answer = new Promise<AttachContainerResponse>((resolve, reject) =>
    own.attachContainer(attachment, (error, given) => (error ? reject(error) : resolve(given))),
  );
  await vi.waitFor(() => expect(swarm.log.view.attachments.size).toBe(1), patience);
  const [asked] = swarm.log.view.attachments.byNode('n2');
  if (asked === undefined) throw new Error('no attachment');
  const object = { ...asked, addresses: ['10.0.1.50/24'] };
  swarm.log.write([{ op: 'update', table: 'attachment', object }]);
  expect((await answer).addresses).toEqual(['10.0.1.50/24']);
  const detach = (client: DispatcherClient) =>
    codeOf((answered) => client.detachContainer({ attachmentId: asked.id }, answered));
  expect(await detach(other)).toBe(status.OK);
  await swarm.advance(1_000);
  expect(swarm.log.view.attachments.size).toBe(1);
  expect(await detach(own)).toBe(status.OK);
  await vi.waitFor(async () => {
    await swarm.advance(100);
    expect(swarm.log.view.attachments.size).toBe(0);
  }, patience);
});

test('what hosts serve and reach is for managers to know', async () => {
  const node = swarm.log.view.nodes.get('n1');
  if (node === undefined) throw new Error('no node');
  swarm.log.write([{ op: 'update', table: 'node', object: { ...node, role: 'manager' } }]);
  const worker = await clientOf('n2', 'worker');
  const manager = await clientOf('n1', 'manager');
  const [removed, demoted] = [await clientOf('n9', 'manager'), await clientOf('n2', 'manager')];
  const verify = (client: DispatcherClient) =>
    codeOf((answered) => client.verifyNetworks({ networkId: '' }, answered));
  const check = (client: DispatcherClient) =>
    codeOf((answered) => client.checkNetworks({ timeoutMs: 100 }, answered));
  expect(await Promise.all([verify(manager), check(manager)])).toEqual([status.OK, status.OK]);
  expect(await Promise.all([verify(worker), check(worker)])).toEqual([
    status.PERMISSION_DENIED,
    status.PERMISSION_DENIED,
  ]);
  for (const former of [removed, demoted])
    expect(await Promise.all([verify(former), check(former)])).toEqual([
      status.NOT_FOUND,
      status.NOT_FOUND,
    ]);
});

test('a node that is not in the swarm is given nothing', async () => {
  const stranger = await clientOf('n9', 'worker');
  const code = await codeOf((answered) => stranger.attachContainer(attachment, answered));
  expect(code).toBe(status.NOT_FOUND);
  expect(swarm.log.view.attachments.size).toBe(0);
});
