import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { type Instant, systemClock, systemRandom } from '@shoal/runtime';
import type { RootCa } from '@shoal/state';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  nodeTlsInfo,
  tlsInfo,
} from './authority.ts';
import { isTrusted } from './chain.ts';
import { provenNode, proveRenewal } from './renewal-proof.ts';
import { crossSign, signingRoot, startRotation, trustRootsOf } from './rotation.ts';
import { clockProblem, nextRenewal } from './validity.ts';

const random = systemRandom;
const hourMs = 3_600_000;
let old: ClusterCa;
let fresh: ClusterCa;
let crossSigned: string;

beforeAll(async () => {
  old = await createClusterCa(systemClock.now(), random);
  fresh = await createClusterCa(systemClock.now(), random);
  crossSigned = await crossSign(old, fresh, systemClock.now(), random);
});

interface Node {
  readonly certificate: string;
  readonly key: string;
  readonly caCertificate: string;
}

async function node(
  ca: ClusterCa,
  caCertificate: string,
  chain = '',
  now = systemClock.now(),
): Promise<Node> {
  const { key, request } = await createNodeKey();
  const subject = { nodeId: 'n1', role: 'manager', clusterId: 'c1' } as const;
  const issued = await issueCertificate({ ca, request, subject, now, random, validityMs: hourMs });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { certificate: issued.certificate + chain, key, caCertificate };
}

/** Whether each takes the other for a node of the cluster. */
async function meet(a: Node, b: Node): Promise<boolean> {
  const parts = ({ certificate: cert, key, caCertificate: ca }: Node) => ({ cert, key, ca });
  const server = createServer({ ...parts(a), requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const met = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const client = connect({
    ...parts(b),
    host: '127.0.0.1',
    port,
    servername: 'swarm-manager',
    rejectUnauthorized: false,
  });
  const [accepted] = await met;
  if (!client.getPeerCertificate()) await once(client, 'secureConnect');
  const outcome = accepted.authorized && client.authorized;
  client.destroy();
  accepted.destroy();
  server.close();
  return outcome;
}

describe('while a root rotates', () => {
  test('a root that a user brought without a last newline stays one of two', async () => {
    const brought = { ...old, certificate: old.certificate.trimEnd() };
    const rotation = { certificate: fresh.certificate, crossSigned, startedAt: 0 as Instant };
    const roots = trustRootsOf({ certificate: brought.certificate, rotation });
    const behind = await node(brought, brought.certificate);
    const ahead = await node(fresh, roots, crossSigned);
    expect(await meet(behind, ahead)).toBe(true);
    expect(await meet(ahead, behind)).toBe(true);
  });

  test('nodes on either side of it take each other for nodes of the cluster', async () => {
    const behind = await node(old, old.certificate);
    const ahead = await node(fresh, fresh.certificate + old.certificate, crossSigned);
    expect(await meet(behind, ahead)).toBe(true);
    expect(await meet(ahead, behind)).toBe(true);
  });

  test('a certificate of the new root without its chain means nothing to a node behind', async () => {
    const behind = await node(old, old.certificate);
    const ahead = await node(fresh, fresh.certificate + old.certificate);
    expect(await meet(behind, ahead)).toBe(false);
  });

  test('a foreign root is none, whatever it certifies', async () => {
    const foreign = await createClusterCa(systemClock.now(), random);
    const behind = await node(old, old.certificate);
    const stranger = await node(
      foreign,
      old.certificate,
      await crossSign(foreign, foreign, systemClock.now(), random),
    );
    expect(await meet(behind, stranger)).toBe(false);
    expect(isTrusted(stranger.certificate, old.certificate + fresh.certificate)).toBe(false);
  });

  test('what signs, what is trusted and who has arrived', async () => {
    const root: RootCa = { certificate: old.certificate, key: { sealed: 'old' } };
    expect(signingRoot(root)).toEqual({ ...root, chain: '' });
    const rotating = await startRotation({
      root,
      key: old.key,
      fresh,
      sealedKey: { sealed: 'fresh' },
      forceRotate: 2,
      now: systemClock.now(),
      random,
    });
    expect(signingRoot(rotating)).toMatchObject({
      certificate: fresh.certificate,
      key: { sealed: 'fresh' },
    });
    expect(trustRootsOf(rotating)).toBe(old.certificate + fresh.certificate);
    const roots = trustRootsOf(rotating);
    const behind = await node(old, roots);
    const ahead = await node(fresh, roots, signingRoot(rotating).chain);
    expect((await nodeTlsInfo(behind)).CertIssuerPublicKey).toBe(
      (await tlsInfo(old.certificate)).CertIssuerPublicKey,
    );
    expect((await nodeTlsInfo(ahead)).CertIssuerPublicKey).toBe(
      (await tlsInfo(fresh.certificate)).CertIssuerPublicKey,
    );
  });
});

describe('a renewal', () => {
  const day = 24 * hourMs;

  test.each([
    ['valid', 0],
    ['ended long ago', -400 * day],
    ['not valid yet', 400 * day],
  ])('is proved by a certificate that is %s', async (_name, shift) => {
    const own = await node(old, old.certificate, '', (systemClock.now() + shift) as Instant);
    const { request } = await createNodeKey();
    const proof = proveRenewal(own, request);
    expect(provenNode(proof, request, old.certificate)).toEqual({
      nodeId: 'n1',
      role: 'manager',
      clusterId: 'c1',
    });
  });

  test('is not proved by another key, for another request, or under another root', async () => {
    const own = await node(old, old.certificate);
    const other = await node(old, old.certificate);
    const { request } = await createNodeKey();
    const proof = proveRenewal(own, request);
    expect(
      provenNode({ ...proof, certificate: other.certificate }, request, old.certificate),
    ).toBeUndefined();
    expect(provenNode(proof, `${request} `, old.certificate)).toBeUndefined();
    expect(provenNode(proof, request, fresh.certificate)).toBeUndefined();
    expect(provenNode({ ...proof, certificate: 'x' }, request, old.certificate)).toBeUndefined();
    expect(
      provenNode({ ...proof, signature: new Uint8Array(3) }, request, old.certificate),
    ).toBeUndefined();
  });

  test('comes at a random point between half and four fifths of the life', async () => {
    const now = systemClock.now();
    const { certificate } = await node(old, old.certificate, '', now);
    const at = (share: number): number =>
      nextRenewal(certificate, now, { next: () => share, bytes: random.bytes }) - now;
    // An hour of validity begins an hour before it is issued.
    expect(at(0)).toBeLessThan(0.1 * hourMs);
    expect(at(0.999)).toBeGreaterThan(0.55 * hourMs);
    expect(at(0.999)).toBeLessThan(0.65 * hourMs);
    expect(nextRenewal(certificate, (now + 10 * hourMs) as Instant, random)).toBe(
      now + 10 * hourMs,
    );
  });

  test('a clock that is wrong is named with the difference in seconds', async () => {
    const now = systemClock.now();
    const { certificate } = await node(old, old.certificate, '', now);
    expect(clockProblem(certificate, now)).toBeUndefined();
    expect(clockProblem(certificate, (now - 2 * hourMs) as Instant)).toMatch(
      /, 3[56]\d\d s from now/,
    );
    expect(clockProblem(certificate, (now + 2 * hourMs) as Instant)).toMatch(/, 3[56]\d\d s ago/);
  });
});

test('a root made by a clock that was wrong is valid all the same', async () => {
  for (const year of [1970, 2199]) {
    const ca = await createClusterCa(Date.UTC(year, 0, 1) as Instant, random);
    const a = await node(ca, ca.certificate);
    expect(await meet(a, a)).toBe(true);
  }
});
