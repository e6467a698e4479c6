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
  closeServer,
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

async function serve(credential: ServerCredentials, answer = ask): Promise<number> {
  const server = new Server();
  servers.push(server);
  server.addService({ Ask: method }, { Ask: answer });
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

test.each([
  ['once its calls are answered', 'answer', status.OK],
  ['by force when they take too long', 'time is over', status.CANCELLED],
] as const)('a server ends %s', async (_how, first, code) => {
  let reply: () => void = () => undefined;
  const asked = Promise.withResolvers<void>();
  const hold: handleUnaryCall<string, string> = (_call, callback) => {
    reply = () => callback(null, 'late');
    asked.resolve();
  };
  const at = await serve(serverCredentials(await cluster.identity('manager')), hold);
  const server = servers.at(-1);
  if (server === undefined) throw new Error('no server');
  const answer = call(await cluster.identity('manager'), at);
  await asked.promise;
  let timeIsOver: (() => void) | undefined;
  let over = false;
  const after = (ms: number, fire: () => void) => {
    expect(ms).toBe(70);
    timeIsOver = fire;
    return {
      cancel: () => {
        timeIsOver = undefined;
      },
    };
  };
  const closed = closeServer(server, { after }, 70).then(() => {
    over = true;
  });
  expect((await call(await cluster.identity('manager'), at)).code).toBe(status.UNAVAILABLE);
  expect(over).toBe(false);
  if (first === 'answer') reply();
  else timeIsOver?.();
  expect((await answer).code).toBe(code);
  await closed;
  if (first === 'answer') expect(timeIsOver).toBeUndefined();
});
