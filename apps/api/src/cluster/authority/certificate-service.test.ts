import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { status } from '@grpc/grpc-js';
import { parseSwarmInit } from '@shoal/docker-api';
import {
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  isTrusted,
  proveRenewal,
  seal,
  startRotation,
  subjectOf,
} from '@shoal/pki';
import { IssueRequest, IssueResponse, TrustRootResponse } from '@shoal/proto';
import type { AuthorityAnswer } from '@shoal/raft/service';
import { type Instant, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { FakeLog } from '@shoal/stage/testing';
import type { Node } from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { conceive } from '../genesis.ts';
import type { CertificateOutcome } from '../metrics.ts';
import { openSealed, sealedPlaces } from '../sealed.ts';
import { SpecHistory } from '../spec-history.ts';
import { noQuorum } from '../standing.ts';
import { answerCertificates } from './certificate-service.ts';
import { guessesMax } from './guess-limit.ts';
import type { IssuingManager } from './issue.ts';

const voters = [{ id: 7, nodeId: 'n', addr: '10.0.0.1:2377' }];

let log: FakeLog;
let manager: IssuingManager;
let identity: Identity;
let ask: (
  method: 'trustRoot' | 'issue',
  request: Uint8Array,
  from?: string,
) => Promise<AuthorityAnswer>;
let outcomes: CertificateOutcome[];
beforeEach(async () => {
  log = new FakeLog({ clock: systemClock, random: systemRandom });
  const place = {
    listen: { host: '0.0.0.0', port: 2_377 },
    advertise: { host: '10.0.0.1', port: 2_377 },
    dispatcher: { host: '0.0.0.0', port: 2_378 },
  };
  const init = parseSwarmInit({ ListenAddr: '0.0.0.0:2377' });
  const genesis = await conceive(init, place, systemClock, systemRandom);
  log.write(genesis.changes);
  identity = genesis.identity;
  const { sealKey } = identity;
  if (sealKey === undefined) throw new Error('no seal key');
  const replica = log.replica();
  manager = {
    identity,
    sealKey,
    replica,
    specs: new SpecHistory(replica),
    quorum: async () => noQuorum,
    flushAudit: async () => undefined,
    voters: async () => voters,
  };
  outcomes = [];
  const answer = answerCertificates({
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    dispatcherListen: place.dispatcher,
    metrics: {
      certificate: (outcome) => outcomes.push(outcome),
      observeStanding: () => undefined,
    },
  });
  ask = (method, request, from = '10.0.0.9:1234') =>
    answer(manager, { method, request, remoteAddr: from });
});

function token(role: 'worker' | 'manager'): string {
  const { cluster } = log.view;
  if (cluster === undefined) throw new Error('no cluster');
  const place = sealedPlaces.joinToken(cluster.id, role);
  return openSealed(manager.sealKey, cluster.joinTokens[role], place);
}

async function joinRequest(joinToken: string, availability = ''): Promise<Uint8Array> {
  const { request } = await createNodeKey();
  const proof = { $case: 'joinToken', value: joinToken } as const;
  const body = { certificateRequest: request, proof, availability, hostname: 'host-9' };
  return IssueRequest.encode(body).finish();
}

async function renewalRequest(of: { certificate: string; key: string }): Promise<Uint8Array> {
  const { request } = await createNodeKey();
  const { certificate, signature } = proveRenewal(of, request);
  const value = { certificate, signature: Buffer.from(signature) };
  const body = { certificateRequest: request, availability: '', hostname: '' };
  return IssueRequest.encode({ ...body, proof: { $case: 'renewal', value } }).finish();
}

function issued(answer: AuthorityAnswer): IssueResponse {
  if (answer.kind === 'error') throw new Error(answer.message);
  return IssueResponse.decode(answer.response);
}

function own(): Node {
  const node = log.view.nodes.get(identity.nodeId);
  if (node === undefined) throw new Error('no node');
  return node;
}

test('the root that tokens pin, with time and version', async () => {
  const answer = await ask('trustRoot', new Uint8Array());
  if (answer.kind === 'error') throw new Error(answer.message);
  const shown = TrustRootResponse.decode(answer.response);
  expect(shown).toMatchObject({
    certificates: log.view.cluster?.rootCa.certificate,
    clusterId: identity.clusterId,
    dataPathPort: log.view.cluster?.dataPathPort,
    version: expect.stringMatching(/^\d+\./),
  });
  expect(Math.abs(shown.timeMs - systemClock.now())).toBeLessThan(10_000);
});

describe('a host that joins', () => {
  test.each(['worker', 'manager'] as const)('as %s', async (role) => {
    const response = issued(await ask('issue', await joinRequest(token(role), 'drain')));
    expect(response).toMatchObject({ role, clusterId: identity.clusterId });
    expect(log.view.nodes.get(response.nodeId)).toMatchObject({
      role,
      spec: { Role: role, Availability: 'drain' },
      status: { state: 'unknown', addr: '10.0.0.9' },
    });
    const certificate = new X509Certificate(response.certificate);
    expect(subjectOf(certificate.raw)).toEqual({
      nodeId: response.nodeId,
      role,
      clusterId: identity.clusterId,
    });
    expect(isTrusted(response.certificate, response.trustRoots)).toBe(true);
    expect(response.managers).toEqual([
      {
        nodeId: identity.nodeId,
        logAddr: '10.0.0.1:2377',
        dispatcherAddr: '10.0.0.1:2378',
      },
    ]);
    const isManager = role === 'manager';
    expect(response.sealKey).toEqual(isManager ? manager.sealKey : Buffer.alloc(0));
    expect(response.voters).toEqual(isManager ? voters : []);
    expect(outcomes).toEqual(['joined']);
  });

  test('with a wrong token, ten times and no more', async () => {
    const wrong = `${token('worker').slice(0, -1)}!`;
    for (let guess = 0; guess < guessesMax; guess += 1)
      expect(await ask('issue', await joinRequest(wrong))).toMatchObject({
        code: status.UNAUTHENTICATED,
        message: expect.stringContaining('valid join token is necessary'),
      });
    const late = await ask('issue', await joinRequest(token('worker')));
    expect(late).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(issued(await ask('issue', await joinRequest(token('worker')), '10.0.0.8:1')).role).toBe(
      'worker',
    );
    expect(log.view.nodes.size).toBe(2);
    expect(outcomes.at(-2)).toBe('limited');
  });

  test('with wrong tokens, in the way of nobody who renews from the same address', async () => {
    for (let guess = 0; guess < guessesMax; guess += 1) await ask('issue', await joinRequest('x'));
    expect(await ask('issue', await joinRequest('x'))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    expect(issued(await ask('issue', await renewalRequest(identity))).nodeId).toBe(identity.nodeId);
  });

  test('with nonsense', async () => {
    const codes = await Promise.all(
      [Buffer.from('nonsense'), new Uint8Array(), await joinRequest(token('worker'), 'gone')].map(
        async (request) => ((await ask('issue', request)) as { code?: number }).code,
      ),
    );
    expect(codes).toEqual([
      status.INVALID_ARGUMENT,
      status.INVALID_ARGUMENT,
      status.INVALID_ARGUMENT,
    ]);
    const proof = { $case: 'joinToken', value: token('worker') } as const;
    const body = { certificateRequest: 'no CSR', proof, availability: '', hostname: '' };
    const request = IssueRequest.encode(body).finish();
    expect(await ask('issue', request)).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(log.view.nodes.size).toBe(1);
  });

  test('while the voter of this manager is in trouble, which another manager may not be', async () => {
    manager = { ...manager, voters: () => Promise.reject(new Error('the voter has ended')) };
    expect(await ask('issue', await renewalRequest(identity))).toMatchObject({
      code: status.UNAVAILABLE,
      message: 'the voter has ended',
    });
    expect(outcomes.at(-1)).toBe('failed');
  });

  test('while nobody leads', async () => {
    log.failWith({ kind: 'failed', code: 'no-leader', message: 'nobody leads' });
    const answer = await ask('issue', await joinRequest(token('worker')));
    expect(answer).toMatchObject({ code: status.UNAVAILABLE, message: 'nobody leads' });
    expect(outcomes).toEqual(['failed']);
  });
});

describe('a node that renews', () => {
  test('gets the role that the state gives it now', async () => {
    const joined = await createNodeKey();
    const proof = { $case: 'joinToken', value: token('worker') } as const;
    const body = { certificateRequest: joined.request, proof, availability: '', hostname: '' };
    const first = issued(await ask('issue', IssueRequest.encode(body).finish()));
    const worker = { certificate: first.certificate, key: joined.key };
    expect(issued(await ask('issue', await renewalRequest(worker)))).toMatchObject({
      nodeId: first.nodeId,
      role: 'worker',
    });
    const node = log.view.nodes.get(first.nodeId);
    if (node === undefined) throw new Error('no node');
    log.write([{ op: 'update', table: 'node', object: { ...node, role: 'manager' } }]);
    const promoted = issued(await ask('issue', await renewalRequest(worker)));
    expect(promoted).toMatchObject({ role: 'manager', voters });
    expect(promoted.sealKey).toEqual(manager.sealKey);
    expect(outcomes).toEqual(['joined', 'renewed', 'renewed']);
  });

  test('is told when it was removed', async () => {
    const request = await renewalRequest(identity);
    const { cluster } = log.view;
    if (cluster === undefined) throw new Error('no cluster');
    const removedNodes = { [own().id]: (systemClock.now() + 1_000) as Instant };
    log.write([{ op: 'update', table: 'cluster', object: { ...cluster, removedNodes } }]);
    expect(await ask('issue', request)).toMatchObject({
      code: status.PERMISSION_DENIED,
      message: 'this node was removed from the swarm',
    });
  });

  test('must have the key, and a certificate of this swarm', async () => {
    const { key } = await createNodeKey();
    const forged = { certificate: identity.certificate, key };
    for (const request of [await renewalRequest(forged), await strangersRequest()])
      expect(await ask('issue', request)).toMatchObject({
        code: status.PERMISSION_DENIED,
        message: 'the certificate shown is not of this swarm',
      });
    expect(outcomes).toEqual(['refused', 'refused']);
  });
});

async function strangersRequest(): Promise<Uint8Array> {
  const place = {
    listen: { host: '0.0.0.0', port: 1 },
    advertise: { host: '10.0.0.1', port: 1 },
    dispatcher: { host: '0.0.0.0', port: 2 },
  };
  const init = parseSwarmInit({ ListenAddr: '0.0.0.0:2377' });
  const stranger = await conceive(init, place, systemClock, systemRandom);
  return renewalRequest(stranger.identity);
}

describe('an external authority', () => {
  async function configured(url: string): Promise<void> {
    const { cluster } = log.view;
    if (cluster === undefined) throw new Error('no cluster');
    const ExternalCAs = [{ Protocol: 'cfssl', URL: url, Options: {} } as const];
    const spec = { ...cluster.spec, CAConfig: { ...cluster.spec.CAConfig, ExternalCAs } };
    log.write([{ op: 'update', table: 'cluster', object: { ...cluster, spec } }]);
  }

  test('signs in place of the cluster', async () => {
    const { cluster } = log.view;
    if (cluster?.rootCa.key === undefined) throw new Error('no root key');
    const key = openSealed(manager.sealKey, cluster.rootCa.key, sealedPlaces.rootKey(cluster.id));
    const ca = { certificate: cluster.rootCa.certificate, key };
    const asked: string[] = [];
    const server = createServer((request, response) => {
      void text(request).then(async (body) => {
        const { certificate_request, subject } = JSON.parse(body) as {
          certificate_request: string;
          subject: { CN: string };
        };
        asked.push(subject.CN);
        const signed = await issueCertificate({
          ca,
          request: certificate_request,
          subject: { nodeId: subject.CN, role: 'worker', clusterId: cluster.id },
          now: systemClock.now(),
          random: systemRandom,
        });
        const certificate = signed.kind === 'issued' ? signed.certificate : '';
        response.end(JSON.stringify({ success: true, result: { certificate }, errors: [] }));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      await configured(`http://127.0.0.1:${(server.address() as AddressInfo).port}/sign`);
      const response = issued(await ask('issue', await joinRequest(token('worker'))));
      expect(asked).toEqual([response.nodeId]);
      expect(isTrusted(response.certificate, response.trustRoots)).toBe(true);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test('that names no root is not asked for the one that the present root gives way to', async () => {
    await configured('http://127.0.0.1:1/sign');
    const { cluster } = log.view;
    if (cluster?.rootCa.key === undefined) throw new Error('no root key');
    const place = sealedPlaces.rootKey(cluster.id);
    const fresh = await createClusterCa(systemClock.now(), systemRandom);
    const rootCa = await startRotation({
      root: cluster.rootCa,
      key: openSealed(manager.sealKey, cluster.rootCa.key, place),
      fresh,
      sealedKey: seal(manager.sealKey, fresh.key, place, systemRandom),
      forceRotate: 1,
      now: systemClock.now(),
      random: systemRandom,
    });
    log.write([{ op: 'update', table: 'cluster', object: { ...cluster, rootCa } }]);
    const { certificate } = issued(await ask('issue', await renewalRequest(identity)));
    expect(isTrusted(certificate, fresh.certificate)).toBe(true);
  });

  test('that does not answer leaves no node behind', async () => {
    await configured('http://127.0.0.1:1/sign');
    const before = log.view.nodes.size;
    expect(await ask('issue', await joinRequest(token('worker')))).toMatchObject({
      kind: 'error',
      code: status.UNAVAILABLE,
    });
    expect(log.view.nodes.size).toBe(before);
  });
});
