import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { channelOptions, RenewableProof, roleUnit } from '@shoal/pki';
import { type DeliverOpening, type LogClient, VotersClient } from '@shoal/proto';
import { systemClock } from '@shoal/runtime';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dial } from '../wire/dial.ts';
import { framesOf, messageBytesMax } from '../wire/frames.ts';
import { type DeliverStream, delivering, logProtocol, openingBytesMax } from '../wire/protocol.ts';
import { authorityBytesMax, authorityCallsPerAddressMax } from './authority-bridge.ts';
import { connectionsMax, strangerConnectionsPerAddressMax } from './listener.ts';
import { clientProof, credentialsOf, newAuthority, proofOf } from './testing/certificates.ts';
import { ClusterHarness, type HarnessVoter } from './testing/cluster-harness.ts';
import { eventually } from './testing/eventually.ts';
import { createNode, Proposer, transaction } from './testing/proposer.ts';
import { clientTo, statusOf } from './testing/voter-harness.ts';
import type { AuthorityAnswer, AuthorityCall, VoterTls } from './worker-protocol.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cluster: ClusterHarness;
const asked: AuthorityCall[] = [];
/** Answered in turn by tests that hold them. */
let held: ((answer: AuthorityAnswer) => void)[] | undefined;
beforeAll(async () => {
  cluster = await ClusterHarness.start(
    3,
    {},
    {
      authority: (call) => {
        asked.push(call);
        if (held === undefined)
          return Promise.resolve({
            kind: 'response',
            response: Buffer.from(call.request).reverse(),
          });
        return new Promise((resolve) => held?.push(resolve));
      },
    },
  );
  await cluster.leader();
});
afterAll(() => cluster.close());

const fromTheStart = { after: 0, follower: 'test', prompt: true };
const target = (): HarnessVoter => cluster.voter(0);
const address = (): { host: string; port: number } => {
  const [host = '', port] = target().member.addr.split(':');
  return { host, port: Number(port) };
};

/** The cluster takes a write, and none of its threads has ended. */
async function works(id: string): Promise<void> {
  const proposer = new Proposer(cluster.client(target()));
  const answer = await proposer.propose(transaction([createNode(id)]));
  expect(answer.error).toBeUndefined();
  proposer.end();
}

async function refusal(client: LogClient): Promise<string> {
  try {
    await statusOf(client);
    return 'none';
  } catch (error) {
    return (error as ServiceError).message;
  } finally {
    client.close();
  }
}

describe('callers', () => {
  test('of another cluster, with a forged root, or a worker, are refused everything', async () => {
    const { addr, nodeId } = target().member;
    const own = target().options.tls;
    const worker = await cluster.proof('worker00000000000000000000', 'worker');
    expect(await refusal(clientTo(addr, worker))).toContain('is a worker');
    const otherCluster = await proofOf(cluster.ca, nodeId, 'manager', 'other');
    expect(await refusal(clientTo(addr, otherCluster))).toContain('another cluster');
    // Names our cluster and node, but nobody we trust says so.
    const forged = await proofOf(await newAuthority(), nodeId, 'manager');
    const trusting: VoterTls = { ...forged, trustRoots: own.trustRoots };
    expect(await refusal(clientTo(addr, trusting))).toMatch(/UNAUTHENTICATED|UNAVAILABLE/);
    // And one of ours does not speak to a server of theirs.
    expect(await refusal(clientTo(addr, { ...own, trustRoots: forged.trustRoots }))).toContain(
      'UNAVAILABLE',
    );
  });

  test.each(['propose', 'follow'] as const)(
    'of another cluster, with a forged root, or a worker, cannot %s',
    async (what) => {
      const { addr, nodeId } = target().member;
      const own = target().options.tls;
      const refusedBecause = async (tls: VoterTls): Promise<string> => {
        const client = clientTo(addr, tls);
        const stream = what === 'propose' ? client.propose() : client.follow(fromTheStart);
        const [error] = (await once(stream, 'error')) as [Error];
        client.close();
        return error.message;
      };
      const worker = await cluster.proof('worker00000000000000000000', 'worker');
      expect(await refusedBecause(worker)).toContain('is a worker');
      const otherCluster = await proofOf(cluster.ca, nodeId, 'manager', 'other');
      expect(await refusedBecause(otherCluster)).toContain('another cluster');
      const forged = await proofOf(await newAuthority(), nodeId, 'manager');
      expect(await refusedBecause({ ...forged, trustRoots: own.trustRoots })).toContain(
        'no certificate of a node',
      );
      // And one of ours says nothing to a server of theirs.
      expect(await refusedBecause({ ...own, trustRoots: forged.trustRoots })).toMatch(
        /certificate/,
      );
      await works('after-refusals');
    },
  );

  test('who follow and say something are sent away', async () => {
    const source = new RenewableProof(clientProof(target().options.tls));
    const stream = dial({
      addr: target().member.addr,
      source,
      opening: { $case: 'follow', value: fromTheStart },
      codec: delivering,
      clock: systemClock,
    });
    await once(stream, 'open');
    stream.write(randomBytes(10));
    await once(stream, 'close');
    await works('after-a-loud-follower');
  });

  test('who say something else than what a connection is for, or nothing, are sent away', async () => {
    for (const opening of [undefined, randomBytes(30), Buffer.alloc(openingBytesMax + 1)]) {
      const source = new RenewableProof(clientProof(target().options.tls));
      const { caCertificate: ca, certificate: cert, key } = source.current();
      const servername = roleUnit('manager');
      const socket = connectTls({
        ...address(),
        ...{ ca, cert, key, servername, ALPNProtocols: [logProtocol] },
      });
      socket.on('error', () => undefined);
      socket.resume();
      if (opening !== undefined) socket.write(framesOf([opening]));
      await once(socket, 'close');
    }
    await works('after-strange-openings');
  });

  test('without a certificate get nothing but the certificate authority', async () => {
    const client = anonymous();
    for (const path of [
      '/shoal.v1.Log/Status',
      '/shoal.v1.Log/HoldLease',
      '/shoal.v1.ClusterMembership/Join',
      '/shoal.v1.Voters/InstallSnapshot',
    ])
      expect((await ask(client, path, Buffer.alloc(0))).code, path).toBe(status.UNAUTHENTICATED);
    const answer = await ask(client, '/shoal.v1.CertificateAuthority/Issue', Buffer.from('abc'));
    expect(answer).toEqual({ code: status.OK, text: 'cba' });
    expect(asked.at(-1)).toMatchObject({ method: 'issue' });
    expect(asked.at(-1)?.remoteAddr).toMatch(/^127\.0\.0\.1:\d+$/);
    const large = await ask(
      client,
      '/shoal.v1.CertificateAuthority/Issue',
      Buffer.alloc(authorityBytesMax + 1),
    );
    expect(large.code).toBe(status.RESOURCE_EXHAUSTED);
    client.close();
  });

  test('too many at once for certificates are sent away, and later served again', async () => {
    const client = anonymous();
    held = [];
    const path = '/shoal.v1.CertificateAuthority/TrustRoot';
    const calls = Array.from({ length: authorityCallsPerAddressMax + 4 }, () =>
      ask(client, path, Buffer.from('a')),
    );
    await eventually(() => held?.length === authorityCallsPerAddressMax, 'the calls arrive');
    const refused = await Promise.race(calls);
    expect(refused.code).toBe(status.RESOURCE_EXHAUSTED);
    for (const answer of held) answer({ kind: 'error', code: status.ABORTED, message: 'no' });
    held = undefined;
    const codes = (await Promise.all(calls)).map(({ code }) => code);
    expect(codes.filter((code) => code === status.ABORTED)).toHaveLength(
      authorityCallsPerAddressMax,
    );
    expect((await ask(client, path, Buffer.from('ab'))).text).toBe('ba');
    client.close();
  });

  test('a voter speaks for itself only', async () => {
    const { tls } = cluster.voter(1).options;
    const claims: [from: number, to: number, problem: string][] = [
      [3, 1, 'voter 3 is not of node'],
      [2, 3, 'this is voter 1, not 3'],
      [1, 1, 'voter 1 cannot write here'],
    ];
    for (const [from, to, problem] of claims) {
      const stream = deliver(tls, { from, to, fromAddr: '' });
      stream.write(randomBytes(40));
      const [error] = (await once(stream, 'error')) as [Error];
      expect(error.message).toContain(problem);
    }
    await works('own-voice');
  });
});

describe('input', () => {
  test('of garbage, half-open connections and oversize frames kills nothing; memory stays bounded', async () => {
    const before = process.memoryUsage().rss;
    const sockets: Socket[] = [];
    for (let at = 0; at < 200; at += 1) {
      const socket = connectTcp(address());
      socket.on('error', () => undefined);
      // Some say nothing at all, some start a handshake and stop, the others say anything.
      if (at % 3 === 1) socket.write(Buffer.from('160301020001000', 'hex'));
      if (at % 3 === 2) socket.write(randomBytes(4_096));
      sockets.push(socket);
    }
    await noise();
    await oversize();
    await works('after-garbage');
    for (const socket of sockets) socket.destroy();
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  });

  test('of one stranger, on as many connections as it likes, keeps nobody out', async () => {
    // From an address of its own, and from the one of everybody else in this test.
    const sockets: Socket[] = [];
    for (const localAddress of ['127.0.0.2', '127.0.0.1'])
      for (let at = 0; at < connectionsMax; at += 1) sockets.push(await silent(localAddress));
    const joiner = anonymous();
    const path = '/shoal.v1.CertificateAuthority/Issue';
    expect(await ask(joiner, path, Buffer.from('abc'))).toEqual({ code: status.OK, text: 'cba' });
    await works('under-siege');
    await eventually(
      () => sockets.filter(({ closed }) => !closed).length <= 2 * strangerConnectionsPerAddressMax,
      'the stranger has its share',
    );
    for (const socket of sockets) socket.destroy();
    joiner.close();
  });

  test('that is no message between voters is skipped, and what is too large ends its stream', async () => {
    const { tls, voterId } = cluster.voter(1).options;
    const client = votersClient(tls);
    const stream = deliver(tls, { from: voterId, to: 1, fromAddr: '' });
    for (let at = 0; at < 100; at += 1) stream.write(randomBytes(at * 50));
    const oversized = new Promise<Error>((resolve) => stream.on('error', resolve));
    stream.write(Buffer.alloc(messageBytesMax + 1));
    expect((await oversized).message).not.toBe('');
    const large = new Promise<ServiceError | null>((resolve) => {
      const snapshot = client.installSnapshot(resolve);
      snapshot.on('error', () => undefined);
      snapshot.write({ body: { $case: 'data', value: Buffer.alloc(8 * 1024 * 1024) } });
    });
    expect((await large)?.code).toBe(status.RESOURCE_EXHAUSTED);
    const headless = new Promise<ServiceError | null>((resolve) => {
      const snapshot = client.installSnapshot(resolve);
      snapshot.on('error', () => undefined);
      snapshot.write({ body: { $case: 'data', value: Buffer.alloc(10) } });
    });
    expect((await headless)?.code).toBe(status.ABORTED);
    client.close();
    await works('after-strange-messages');
  });
});

/** A connection that says nothing, once it stands. */
async function silent(localAddress: string): Promise<Socket> {
  const socket = connectTcp({ ...address(), localAddress });
  socket.on('error', () => undefined);
  socket.resume();
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket;
}

/** Bytes that are neither HTTP/2 nor messages, within TLS, for either protocol, for another one, and for none. */
async function noise(): Promise<void> {
  const protocols = [['h2'], [logProtocol], ['http/1.1'], undefined];
  await Promise.all(
    Array.from({ length: 40 }, (_, at) => {
      const ALPNProtocols = protocols[at % protocols.length];
      const socket = connectTls({
        ...address(),
        rejectUnauthorized: false,
        ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }),
      });
      socket.on('error', () => undefined);
      socket.on('secureConnect', () => socket.write(randomBytes(16_384)));
      socket.resume();
      return new Promise<void>((resolve) => socket.on('close', () => resolve()));
    }),
  );
}

/** Messages that claim to be huge, on many streams, by somebody without a certificate. */
async function oversize(): Promise<void> {
  const sessions: ClientHttp2Session[] = [];
  for (let at = 0; at < 5; at += 1) {
    const { host, port } = address();
    const session = connectHttp2(`https://${host}:${port}`, { rejectUnauthorized: false });
    session.on('error', () => undefined);
    sessions.push(session);
    const ends = Array.from({ length: 20 }, (_, stream) => {
      const paths = ['/shoal.v1.Log/HoldLease', '/shoal.v1.CertificateAuthority/Issue', '/nothing'];
      const request = session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: paths[stream % 3] ?? '/',
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        te: 'trailers',
      });
      request.on('error', () => undefined);
      request.resume();
      // A frame of four gigabytes, it says.
      request.write(Buffer.concat([Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), randomBytes(60_000)]));
      return new Promise<void>((resolve) => {
        request.on('response', () => resolve());
        request.on('close', () => resolve());
      });
    });
    await Promise.all(ends);
  }
  for (const session of sessions) session.destroy();
}

function anonymous(): Client {
  const roots = Buffer.from(target().options.tls.trustRoots);
  return new Client(target().member.addr, credentials.createSsl(roots), channelOptions('manager'));
}

function deliver(tls: VoterTls, value: DeliverOpening): DeliverStream {
  const source = new RenewableProof(clientProof(tls));
  const opening = { $case: 'deliver', value } as const;
  const { addr } = target().member;
  return dial({ addr, source, opening, codec: delivering, clock: systemClock });
}

function votersClient(tls: VoterTls): VotersClient {
  return new VotersClient(target().member.addr, credentialsOf(tls), channelOptions('manager'));
}

function ask(
  client: Client,
  path: string,
  request: Buffer,
): Promise<{ code: status; text: string }> {
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) =>
    client.makeUnaryRequest(path, same, same, request, (error, response) =>
      resolve({ code: error?.code ?? status.OK, text: response?.toString() ?? '' }),
    ),
  );
}
