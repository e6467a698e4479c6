import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  CertificateAuthorityService,
  type IssueRequest,
  type IssueResponse,
  type TrustRootResponse,
} from '@shoal/proto';
import { type Clock, type Instant, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNodeKey, issueCertificate } from './authority.ts';
import { serverCredentials } from './grpc.ts';
import type { Identity } from './identity.ts';
import { newJoinToken } from './join-token.ts';
import { provenNode } from './renewal-proof.ts';
import {
  type CertificateOutcome,
  type CertificateProof,
  requestCertificate,
} from './request-certificate.ts';
import { createFakeCluster, type FakeCluster } from './testing/fake-cluster.ts';

const hourMs = 3_600_000;
const random = systemRandom;

let cluster: FakeCluster;
let manager: Identity;
let token: string;
let shown: TrustRootResponse;
let asked: IssueRequest[];
const servers: Server[] = [];
beforeEach(async () => {
  cluster = await createFakeCluster();
  manager = await cluster.identity('manager');
  token = newJoinToken(cluster.ca.certificate, random);
  asked = [];
  shown = {
    certificates: cluster.ca.certificate,
    timeMs: systemClock.now(),
    version: '0.1.0',
    clusterId: cluster.id,
  };
});
afterEach(() => {
  for (const server of servers.splice(0)) server.forceShutdown();
});

type Issue = (request: IssueRequest) => Promise<IssueResponse>;

/** Issues to everybody, and believes them who they are. */
const generous: Issue = async (request) => {
  const { proof, certificateRequest } = request;
  const roots = cluster.ca.certificate;
  const proven =
    proof?.$case === 'renewal' ? provenNode(proof.value, certificateRequest, roots) : undefined;
  const nodeId = proven?.nodeId ?? 'new-node';
  const role = proven?.role ?? 'worker';
  const issued = await issueCertificate({
    ca: cluster.ca,
    request: certificateRequest,
    subject: { nodeId, role, clusterId: cluster.id },
    now: systemClock.now(),
    random,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return {
    nodeId,
    role,
    clusterId: cluster.id,
    certificate: issued.certificate,
    trustRoots: roots,
    sealKey: Buffer.alloc(0),
    voters: [],
    managers: [{ nodeId: 'm', logAddr: '10.0.0.1:2377', dispatcherAddr: '10.0.0.1:2378' }],
  };
};

async function serve(issue: Issue = generous, as: Identity = manager, port = 0): Promise<string> {
  const server = new Server();
  servers.push(server);
  server.addService(CertificateAuthorityService, {
    trustRoot: (_call: unknown, done: sendUnaryData<TrustRootResponse>) => done(null, shown),
    issue: (
      { request }: ServerUnaryCall<IssueRequest, IssueResponse>,
      done: sendUnaryData<IssueResponse>,
    ) => {
      asked.push(request);
      issue(request).then((response) => done(null, response), done);
    },
  });
  const by = serverCredentials(as, 'optional');
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, by, (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  return `127.0.0.1:${bound}`;
}

/** A manager whose certificate was made when it is `at`. */
async function managerOf(at: number): Promise<Identity> {
  const { key, request } = await createNodeKey();
  const subject = { nodeId: manager.nodeId, role: 'manager', clusterId: cluster.id } as const;
  const now = at as Instant;
  const options = { ca: cluster.ca, request, subject, now, random, validityMs: hourMs };
  const issued = await issueCertificate(options);
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { ...manager, key, certificate: issued.certificate };
}

async function closedPort(): Promise<number> {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  taken.close();
  await once(taken, 'close');
  return port;
}

/** Its waits are over at once. */
function fakeClock(onWait: (waits: number) => void = () => undefined) {
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (delayMs, fire) => {
      waits.push(delayMs);
      onWait(waits.length);
      return systemClock.after(0, fire);
    },
  };
  return { clock, waits };
}

function joins(addresses: readonly string[], clock: Clock = systemClock, with_ = token) {
  const proof = { kind: 'token', token: with_, availability: 'drain', hostname: 'host-9' } as const;
  return requestCertificate({ addresses, proof, clock });
}

const failure = (outcome: CertificateOutcome): string =>
  outcome.kind === 'issued' ? 'issued' : `${outcome.code}: ${outcome.message}`;

describe('a host that joins', () => {
  test('gets a certificate for a key that it keeps', async () => {
    const outcome = await joins([await serve()]);
    expect(outcome).toMatchObject({
      kind: 'issued',
      nodeId: 'new-node',
      role: 'worker',
      clusterId: cluster.id,
      trustRoots: cluster.ca.certificate,
      sealKey: undefined,
      managers: [{ nodeId: 'm', logAddr: '10.0.0.1:2377', dispatcherAddr: '10.0.0.1:2378' }],
    });
    expect(asked).toMatchObject([
      {
        proof: { $case: 'joinToken', value: token },
        availability: 'drain',
        hostname: 'host-9',
      },
    ]);
    if (outcome.kind === 'issued')
      expect(JSON.stringify(asked)).not.toContain(outcome.key.split('\n')[1]);
  });

  test('does not show its token to a manager of another root', async () => {
    const other = newJoinToken((await createFakeCluster()).ca.certificate, random);
    const outcome = await joins([await serve()], systemClock, other);
    expect(failure(outcome)).toMatch(/^fingerprint: remote CA does not match fingerprint/);
    expect(asked).toEqual([]);
  });

  test('does not show its token to who only repeats what a manager shows', async () => {
    const foreign = await createFakeCluster(cluster.id);
    const imposter = await serve(generous, await foreign.identity('manager'));
    const outcome = await requestCertificate({
      addresses: [imposter],
      proof: { kind: 'token', token, availability: '', hostname: '' },
      clock: systemClock,
      tries: 1,
    });
    expect(failure(outcome)).toMatch(/^unreachable: /);
    const worker = await serve(generous, await cluster.identity('worker'));
    expect(failure(await joins([worker], fakeClock().clock))).toMatch(/^unreachable: /);
    expect(asked).toEqual([]);
  });

  test('hears what the cluster says against it, at once', async () => {
    const message = 'A valid join token is necessary to join this cluster';
    const no: Issue = () =>
      Promise.reject(Object.assign(new Error(message), { code: status.UNAUTHENTICATED }));
    const { clock, waits } = fakeClock();
    const address = await serve(no);
    expect(failure(await joins([address], clock))).toBe(`refused: ${message}`);
    expect([asked.length, waits]).toEqual([1, []]);
    const odd: Issue = async (request) => ({ ...(await generous(request)), role: 'boss' });
    expect(failure(await joins([await serve(odd)]))).toMatch(/^refused: .*"boss"/);
  });

  test('tries five times, two seconds apart, while no manager answers', async () => {
    const { clock, waits } = fakeClock();
    const address = `127.0.0.1:${await closedPort()}`;
    expect(failure(await joins([address], clock))).toMatch(
      new RegExp(`^unreachable: the manager at ${address} does not answer: .*ECONNREFUSED`),
    );
    expect(waits).toEqual([2_000, 2_000, 2_000, 2_000]);
    expect(failure(await joins([], clock))).toMatch(/^unreachable: no manager/);
  });

  test('is served by another manager, or by one that comes up late', async () => {
    const port = await closedPort();
    const closed = `127.0.0.1:${port}`;
    expect((await joins([closed, await serve()])).kind).toBe('issued');
    let up: Promise<string> | undefined;
    const { clock, waits } = fakeClock(() => {
      up ??= serve(generous, manager, port);
    });
    const patient: Clock = {
      ...clock,
      after: (delayMs, fire) => {
        const timer = clock.after(delayMs, () => undefined);
        void up?.then(fire);
        return timer;
      },
    };
    expect((await joins([closed], patient)).kind).toBe('issued');
    expect(waits).toHaveLength(1);
  });
});

describe('a clock that is wrong is named with the difference', () => {
  test.each([
    ['behind', 5 * hourMs, / 18000 s behind the manager's: set the clock right/],
    ['ahead', -5 * hourMs, / 18000 s ahead of the manager's: set the clock right/],
    ['right, and the manager has no valid certificate', 5 * hourMs, /the clocks agree/],
  ])('when it is %s', async (name, shiftMs, message) => {
    const address = await serve(generous, await managerOf(systemClock.now() + shiftMs));
    if (!name.startsWith('right')) shown = { ...shown, timeMs: systemClock.now() + shiftMs };
    const text = failure(await joins([address]));
    expect(text).toMatch(/^clock: the certificate of the manager at .* is not valid/);
    expect(text).toMatch(message);
    expect(asked).toEqual([]);
  });

  test('unless another manager proves that only one of them has no valid certificate', async () => {
    const ended = await serve(generous, await managerOf(systemClock.now() - 5 * hourMs));
    expect((await joins([ended, await serve()])).kind).toBe('issued');
    const closed = `127.0.0.1:${await closedPort()}`;
    const { clock, waits } = fakeClock();
    expect(failure(await joins([ended, closed], clock))).toMatch(/^clock: /);
    expect(waits).toEqual([]);
  });

  test('is known also when all goes well', async () => {
    shown = { ...shown, timeMs: systemClock.now() + 30_000 };
    const outcome = await joins([await serve()]);
    if (outcome.kind !== 'issued') throw new Error(outcome.message);
    expect(Math.abs(outcome.clockAheadMs - 30_000)).toBeLessThan(10_000);
  });
});

describe('a node that renews', () => {
  const renewal = ({ certificate, key }: Identity): CertificateProof => {
    return { kind: 'renewal', certificate, key, trustRoots: cluster.ca.certificate };
  };

  test.each([
    ['is valid', 0],
    ['ended long ago', -9_000 * hourMs],
    ['is of a time to come', 9_000 * hourMs],
  ])('gets another certificate when its own %s', async (_name, shiftMs) => {
    const own = await managerOf(systemClock.now() + shiftMs);
    const outcome = await requestCertificate({
      addresses: [await serve()],
      proof: renewal(own),
      clock: systemClock,
    });
    expect(outcome).toMatchObject({ kind: 'issued', nodeId: own.nodeId, role: 'manager' });
    if (outcome.kind === 'issued') expect(outcome.key).not.toBe(own.key);
  });

  test('trusts the roots that it knows, whatever it is shown', async () => {
    const foreign = await createFakeCluster(cluster.id);
    shown = { ...shown, certificates: foreign.ca.certificate };
    const address = await serve(generous, await foreign.identity('manager'));
    const outcome = await requestCertificate({
      addresses: [address],
      proof: renewal(manager),
      clock: fakeClock().clock,
    });
    expect(failure(outcome)).toMatch(/^unreachable: /);
    expect(asked).toEqual([]);
  });
});
