import {
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  credentials,
  type handleBidiStreamingCall,
  Server,
  type ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type Instant, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterCa, createClusterCa, createNodeKey, issueCertificate } from './authority.ts';
import { type CertificateSource, type Proof, RenewableProof } from './certificate-source.ts';
import { channelCredentials, channelOptions, peerOf, serverCredentials } from './grpc.ts';
import type { NodeRole } from './role.ts';
import { crossSign } from './rotation.ts';

const random = systemRandom;
const dayMs = 86_400_000;
const path = '/shoal.test.Echo/Talk';
const pass = (bytes: Buffer): Buffer => bytes;

let old: ClusterCa;
let fresh: ClusterCa;
let chain: string;
beforeAll(async () => {
  const now = systemClock.now();
  old = await createClusterCa(now, random);
  fresh = await createClusterCa(now, random);
  chain = await crossSign(old, fresh, now, random);
});

interface Wanted {
  readonly ca: ClusterCa;
  readonly trusts: string;
  readonly chain?: string;
  readonly nodeId?: string;
  readonly role?: NodeRole;
  readonly issuedAt?: Instant;
}

async function proof(of: Wanted): Promise<Proof> {
  const { ca, trusts, nodeId = 'node', role = 'manager' } = of;
  const { key, request } = await createNodeKey();
  const subject = { nodeId, role, clusterId: 'cluster' };
  const now = of.issuedAt ?? systemClock.now();
  const options = { ca, request, subject, now, random, validityMs: dayMs };
  const issued = await issueCertificate(options);
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { certificate: issued.certificate + (of.chain ?? ''), key, caCertificate: trusts };
}

const servers: Server[] = [];
const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.forceShutdown();
});

/** Answers every message with the node that the caller's certificate names. */
const talk: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', () => call.write(Buffer.from(peerOf(call)?.nodeId ?? 'nobody')));
  call.on('end', () => call.end());
  call.on('error', () => undefined);
};

async function serve(by: ServerCredentials): Promise<number> {
  const server = new Server();
  servers.push(server);
  const talks = {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: pass,
    responseDeserialize: pass,
  } as const;
  server.addService({ Talk: talks }, { Talk: talk });
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', by, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
}

/** A channel of its own: each makes a handshake of its own. */
function connect(port: number, as: Proof | CertificateSource | undefined): Client {
  const by =
    as === undefined ? credentials.createSsl(Buffer.from(old.certificate)) : channelCredentials(as);
  const options: ClientOptions = { ...channelOptions(), 'grpc.use_local_subchannel_pool': 1 };
  const client = new Client(`127.0.0.1:${port}`, by, options);
  clients.push(client);
  return client;
}

type Stream = ClientDuplexStream<Buffer, Buffer>;

const open = (client: Client): Stream =>
  client.makeBidiStreamRequest(path, pass, pass, { deadline: Date.now() + 10_000 });

/** Says one word on the stream; the answer, or why there is none. */
function say(stream: Stream): Promise<string> {
  return new Promise((resolve) => {
    stream.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    stream.once('error', (error: ServiceError) => resolve(status[error.code] ?? ''));
    stream.write(Buffer.from('who am I?'));
  });
}

async function meet(server: Proof | CertificateSource, client: Proof | CertificateSource) {
  const stream = open(connect(await serve(serverCredentials(server)), client));
  const answer = await say(stream);
  stream.cancel();
  return answer;
}

describe('a renewed certificate', () => {
  test('of a server counts for the next handshake, and leaves streams that stand alone', async () => {
    const before = await proof({ ca: old, trusts: old.certificate });
    const source = new RenewableProof(before);
    const port = await serve(serverCredentials(source));
    const client = await proof({ ca: old, trusts: old.certificate, nodeId: 'client' });
    const standing = open(connect(port, client));
    expect(await say(standing)).toBe('client');
    // From now on it is a certificate of the fresh root, and clients must have one of that too.
    source.renew(await proof({ ca: fresh, trusts: fresh.certificate }));
    expect(await say(standing)).toBe('client');
    expect(await say(open(connect(port, client)))).toBe('UNAVAILABLE');
    const moved = await proof({ ca: fresh, trusts: fresh.certificate, nodeId: 'moved' });
    expect(await say(open(connect(port, moved)))).toBe('moved');
    source.renew(before);
    expect(await say(open(connect(port, client)))).toBe('client');
    expect(await say(standing)).toBe('client');
  });

  test('of a client is shown by its next connection, while streams that stand go on', async () => {
    const server = await proof({ ca: old, trusts: old.certificate });
    const port = await serve(serverCredentials(server));
    const client = await proof({ ca: old, trusts: old.certificate, nodeId: 'before' });
    const source = new RenewableProof(client);
    const standing = open(connect(port, source));
    expect(await say(standing)).toBe('before');
    source.renew(await proof({ ca: old, trusts: old.certificate, nodeId: 'after' }));
    expect(await say(standing)).toBe('before');
    expect(await say(open(connect(port, source)))).toBe('after');
    expect(await say(standing)).toBe('before');
  });

  test('takes the place of one that had ended, on a channel that was refused before', async () => {
    const server = await proof({ ca: old, trusts: old.certificate });
    const port = await serve(serverCredentials(server));
    const issuedAt = (systemClock.now() - 30 * dayMs) as Instant;
    const source = new RenewableProof(await proof({ ca: old, trusts: old.certificate, issuedAt }));
    const client = connect(port, source);
    expect(await say(open(client))).toBe('UNAVAILABLE');
    source.renew(await proof({ ca: old, trusts: old.certificate, nodeId: 'renewed' }));
    let answer = '';
    const deadline = systemClock.monotonic() + 10_000;
    while (answer !== 'renewed' && systemClock.monotonic() < deadline)
      answer = await say(open(client));
    expect(answer).toBe('renewed');
  });

  test('is heard of by no more than it must: ends are let go', async () => {
    const source = new RenewableProof(await proof({ ca: old, trusts: old.certificate }));
    let listeners = 0;
    const counted: CertificateSource = {
      current: () => source.current(),
      onChange: (listener) => {
        listeners += 1;
        const end = source.onChange(listener);
        return () => {
          listeners -= 1;
          end();
        };
      },
    };
    await meet(counted, counted);
    expect(listeners).toBe(1);
    for (const client of clients.splice(0)) client.close();
    for (const server of servers.splice(0)) server.forceShutdown();
    const deadline = systemClock.monotonic() + 5_000;
    while (listeners > 0 && systemClock.monotonic() < deadline)
      await new Promise((resolve) => setImmediate(resolve));
    expect(listeners).toBe(0);
  });
});

describe('where client certificates are optional', () => {
  type Caller = [name: string, make: () => Promise<Proof | undefined>, answer: string];
  const day = (days: number): Instant => (systemClock.now() + days * dayMs) as Instant;
  const trusts = (): string => old.certificate;
  test.each<Caller>([
    ['one without is nobody', async () => undefined, 'nobody'],
    ['a node is known', () => proof({ ca: old, trusts: trusts(), nodeId: 'known' }), 'known'],
    ['one of a foreign root is nobody', () => proof({ ca: fresh, trusts: trusts() }), 'nobody'],
    [
      'one whose certificate has ended is nobody',
      () => proof({ ca: old, trusts: trusts(), issuedAt: day(-30) }),
      'nobody',
    ],
    [
      'one whose certificate is not valid yet is nobody',
      () => proof({ ca: old, trusts: trusts(), issuedAt: day(30) }),
      'nobody',
    ],
  ])('%s', async (_name, make, answer) => {
    const source = new RenewableProof(await proof({ ca: old, trusts: old.certificate }));
    const port = await serve(serverCredentials(source, 'optional'));
    expect(await say(open(connect(port, await make())))).toBe(answer);
    source.renew(await proof({ ca: old, trusts: old.certificate }));
    expect(await say(open(connect(port, await make())))).toBe(answer);
  });
});

describe('while the root rotates, over gRPC', () => {
  test('who trusts only the old root and who trusts only the new one meet, either way', async () => {
    const trustsOld = await proof({ ca: fresh, chain, trusts: old.certificate, nodeId: 'old' });
    const trustsNew = await proof({ ca: fresh, chain, trusts: fresh.certificate, nodeId: 'new' });
    expect(await meet(trustsOld, trustsNew)).toBe('new');
    expect(await meet(trustsNew, trustsOld)).toBe('old');
  });

  test('a node that was not reached yet and one that has moved meet, either way', async () => {
    const behind = await proof({ ca: old, trusts: old.certificate, nodeId: 'behind' });
    const trusts = old.certificate + fresh.certificate;
    const ahead = await proof({ ca: fresh, chain, trusts, nodeId: 'ahead' });
    expect(await meet(behind, ahead)).toBe('ahead');
    expect(await meet(ahead, behind)).toBe('behind');
  });

  test('once it has rotated, the old root proves nothing', async () => {
    const behind = await proof({ ca: old, trusts: old.certificate + fresh.certificate });
    const done = await proof({ ca: fresh, chain, trusts: fresh.certificate });
    expect(await meet(done, behind)).toBe('UNAVAILABLE');
    expect(await meet(behind, done)).toBe('UNAVAILABLE');
  });
});
