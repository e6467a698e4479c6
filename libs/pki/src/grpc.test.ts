import {
  Client,
  credentials,
  type handleUnaryCall,
  Metadata,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  channelCredentials,
  channelOptions,
  peerOf,
  requireRole,
  serverCredentials,
} from './grpc.ts';
import type { Identity } from './identity.ts';
import { createFakeCluster, type FakeCluster } from './testing/fake-cluster.ts';

const method = {
  path: '/shoal.test.Whoami/Ask',
  requestStream: false,
  responseStream: false,
  requestSerialize: (text: string) => Buffer.from(text),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (text: string) => Buffer.from(text),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
} as const;

let cluster: FakeCluster;
let port: number;
const servers: Server[] = [];
const clients: Client[] = [];

/** Answers managers of the cluster with what it knows of them. */
const ask: handleUnaryCall<string, string> = (call, callback) => {
  const authorised = requireRole(call, cluster.id, 'manager');
  if (authorised.kind === 'refused') return callback(authorised.error);
  callback(null, JSON.stringify(authorised.peer));
};

async function serve(credential: ServerCredentials): Promise<number> {
  const server = new Server();
  servers.push(server);
  server.addService({ Ask: method }, { Ask: ask });
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credential, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
}

type Answer = { readonly code: status; readonly text: string };

function call(identity: Identity, at = port, options = channelOptions()): Promise<Answer> {
  const Whoami = makeClientConstructor({ Ask: method }, 'Whoami');
  const client = new Whoami(`127.0.0.1:${at}`, channelCredentials(identity), options);
  clients.push(client);
  return new Promise((resolve) =>
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      'who',
      new Metadata(),
      { deadline: new Date(Date.now() + 5_000) },
      (error: ServiceError | null, text?: string) =>
        resolve({ code: error?.code ?? status.OK, text: text ?? error?.details ?? '' }),
    ),
  );
}

beforeAll(async () => {
  cluster = await createFakeCluster();
  port = await serve(serverCredentials(await cluster.identity('manager')));
});
afterAll(() => {
  for (const client of clients) client.close();
  for (const server of servers) server.forceShutdown();
});

test('a manager of the cluster is known by its certificate', async () => {
  const manager = await cluster.identity('manager');
  const answer = await call(manager);
  expect(answer.code).toBe(status.OK);
  expect(JSON.parse(answer.text)).toEqual({
    nodeId: manager.nodeId,
    role: 'manager',
    clusterId: cluster.id,
  });
});

test('a worker is refused where managers are wanted', async () => {
  const answer = await call(await cluster.identity('worker'));
  expect(answer.code).toBe(status.PERMISSION_DENIED);
  expect(answer.text).toContain('is a worker; this is for a manager');
});

test('a certificate of a foreign root is refused, even with our cluster id in it', async () => {
  const foreign = await createFakeCluster(cluster.id);
  const intruder = await foreign.identity('manager');
  const trusting = { ...intruder, caCertificate: cluster.ca.certificate };
  expect((await call(trusting)).code).toBe(status.UNAVAILABLE);
});

test('a certificate of our root with another cluster id is refused', async () => {
  const { ca } = cluster;
  const renamed = { ...cluster, id: 'othercluster0000000000000' };
  const stranger = await createFakeCluster(renamed.id);
  const identity = await stranger.identity('manager');
  const { createNodeKey, issueCertificate } = await import('./authority.ts');
  const { systemClock, systemRandom } = await import('@shoal/runtime');
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca,
    request,
    subject: { nodeId: identity.nodeId, role: 'manager', clusterId: renamed.id },
    now: systemClock.now(),
    random: systemRandom,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  const proof = {
    ...identity,
    key,
    certificate: issued.certificate,
    caCertificate: ca.certificate,
  };
  const answer = await call(proof);
  expect(answer.code).toBe(status.PERMISSION_DENIED);
  expect(answer.text).toContain('another cluster');
});

test('a client refuses a server of a foreign root, and a worker that poses as a manager', async () => {
  const foreign = await createFakeCluster();
  const manager = await cluster.identity('manager');
  const wrongRoot = await serve(serverCredentials(await foreign.identity('manager')));
  expect((await call(manager, wrongRoot)).code).toBe(status.UNAVAILABLE);
  const wrongRole = await serve(serverCredentials(await cluster.identity('worker')));
  expect((await call(manager, wrongRole)).code).toBe(status.UNAVAILABLE);
  expect((await call(manager, wrongRole, channelOptions('worker'))).code).toBe(status.OK);
});

test('without a certificate nobody gets in', async () => {
  const plain = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const bare = credentials.createSsl(Buffer.from(cluster.ca.certificate));
  const anonymous = new Client(`127.0.0.1:${port}`, bare, channelOptions());
  clients.push(plain, anonymous);
  for (const client of [plain, anonymous]) {
    const error = await new Promise<ServiceError | null>((resolve) =>
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        'who',
        { deadline: new Date(Date.now() + 5_000) },
        resolve,
      ),
    );
    expect(error?.code).toBe(status.UNAVAILABLE);
  }
});

test('a call over no TLS has no peer', async () => {
  const open = await serve(ServerCredentials.createInsecure());
  const client = new Client(`127.0.0.1:${open}`, credentials.createInsecure());
  clients.push(client);
  const error = await new Promise<ServiceError | null>((resolve) =>
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      'who',
      resolve,
    ),
  );
  expect(error?.code).toBe(status.UNAUTHENTICATED);
  expect(peerOf({ getAuthContext: () => ({}) })).toBeNull();
});
