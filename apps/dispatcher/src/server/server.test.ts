import { type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
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
import { type AgentMessage, DispatcherClient, type DispatcherMessage } from '@shoal/proto';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { FakeLease, FakeLog } from '@shoal/stage/testing';
import type { Node } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Dispatcher } from '../core/dispatcher.ts';
import { noMetrics } from '../core/metrics.ts';
import { description } from '../testing/fake-agent.ts';
import { serveDispatcher } from './server.ts';

const clusterId = 'cluster0000000000000000000';
const ownAddress = '10.1.2.3';

let ca: ClusterCa;
let log: FakeLog;
let proof: RenewableProof;
let dispatcher: Dispatcher;
let server: NodeServer;
let clients: DispatcherClient[];

beforeEach(async () => {
  clients = [];
  ca = await createClusterCa(systemClock.now(), systemRandom);
  log = new FakeLog({ clock: systemClock, random: systemRandom });
  for (const id of ['m1', 'w1']) addNode(id);
  const lease = new FakeLease(log, {
    id: 'dispatcher@m1/0',
    stage: 'dispatcher',
    nodeId: 'm1',
    address: 'm1:2378',
  });
  lease.reclaim();
  dispatcher = new Dispatcher({
    replica: log.replica(),
    lease,
    openRegistryAuth: () => undefined,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: noMetrics,
  });
  proof = new RenewableProof(await proofOf('m1', 'manager'));
  server = await serveDispatcher({
    listen: { host: '127.0.0.1', port: 0 },
    source: proof,
    clusterId,
    dispatcher,
    ownAddress,
    logger: silentLogger,
  });
});
afterEach(async () => {
  for (const client of clients) client.close();
  dispatcher.stop();
  await server.close();
});

function addNode(id: string): void {
  const object: Node = {
    id,
    meta: { version: 0, createdAt: 0, updatedAt: 0 } as Node['meta'],
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
  };
  log.write([{ op: 'create', table: 'node', object }]);
}

async function proofOf(nodeId: string, role: NodeRole, by = ca): Promise<Proof> {
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca: by,
    request,
    subject: { nodeId, role, clusterId },
    now: systemClock.now(),
    random: systemRandom,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { caCertificate: ca.certificate, certificate: issued.certificate, key };
}

function clientOf(shown: Proof): DispatcherClient {
  const client = new DispatcherClient(`127.0.0.1:${server.port}`, channelCredentials(shown), {
    ...channelOptions('manager'),
    'grpc.use_local_subchannel_pool': 1,
  });
  clients.push(client);
  return client;
}

const register: AgentMessage = {
  body: {
    $case: 'register',
    value: {
      previousSession: '',
      description: Buffer.from(JSON.stringify(description)),
      agentVersion: '0',
    },
  },
};

/** A session that has been registered; `next` resolves with the next message of a kind. */
async function sessionOf(shown: Proof) {
  const call = clientOf(shown).session();
  let ended: ServiceError | undefined;
  const seen: DispatcherMessage[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of [...waiting]) look();
  };
  call.on('data', (message: DispatcherMessage) => {
    seen.push(message);
    wake();
  });
  call.on('error', (error: ServiceError) => {
    ended = error;
    wake();
  });
  const next = (kind: string): Promise<DispatcherMessage> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const at = seen.findIndex(({ body }) => body?.$case === kind);
        const [found] = at < 0 ? [] : seen.splice(at, 1);
        if (found === undefined && ended === undefined) return;
        waiting.delete(look);
        if (found === undefined) reject(ended);
        else resolve(found);
      };
      waiting.add(look);
      look();
    });
  call.write(register);
  await next('registered');
  return { call, next };
}

function codeOf(call: ClientReadableStream<unknown>): Promise<number> {
  return new Promise((resolve) => {
    call.on('data', () => undefined);
    call.on('error', (error: ServiceError) => resolve(error.code));
  });
}

const subscription = {
  id: 'l',
  taskIds: [],
  follow: true,
  tail: -1,
  since: undefined,
  until: undefined,
  stdout: true,
  stderr: true,
};

test("the agent of the dispatcher's own host is seen where other hosts reach it", async () => {
  const { next } = await sessionOf(await proofOf('w1', 'worker'));
  await next('assignments');
  while (log.view.nodes.get('w1')?.status.state !== 'ready')
    await new Promise((resolve) => setImmediate(resolve));
  expect(log.view.nodes.get('w1')?.status.addr).toBe(ownAddress);
});

test('a renewed certificate counts for the next handshake; sessions that stand go on', async () => {
  const { call, next } = await sessionOf(await proofOf('w1', 'worker'));
  // Of another root, that only who comes later trusts.
  const fresh = await createClusterCa(systemClock.now(), systemRandom);
  const renewed = await proofOf('m1', 'manager', fresh);
  const caCertificate = ca.certificate + fresh.certificate;
  proof.renew({ ...renewed, caCertificate });
  call.write({ body: { $case: 'heartbeat', value: {} } });
  await next('heartbeat');
  const later = await sessionOf({
    ...(await proofOf('m1', 'manager', fresh)),
    caCertificate: fresh.certificate,
  });
  await later.next('assignments');
  await expect(sessionOf(await proofOf('w1', 'worker'))).rejects.toMatchObject({
    code: status.UNAVAILABLE,
  });
});

test('a node that is not in the swarm gets nothing, whatever its certificate says', async () => {
  const removed = await proofOf('gone', 'manager');
  await expect(sessionOf(removed)).rejects.toMatchObject({ code: status.NOT_FOUND });
  expect(await codeOf(clientOf(removed).subscribeLogs(subscription))).toBe(status.NOT_FOUND);
  const published = new Promise<number | undefined>((resolve) => {
    const call = clientOf(removed).publishLogs((error) => resolve(error?.code));
    call.on('error', () => undefined);
    call.write({ subscriptionId: 'l', lines: [], gaps: [], end: undefined });
  });
  expect(await published).toBe(status.NOT_FOUND);
});

test('logs are for managers', async () => {
  const worker = await proofOf('w1', 'worker');
  expect(await codeOf(clientOf(worker).subscribeLogs(subscription))).toBe(status.PERMISSION_DENIED);
});
