import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type webcrypto,
  X509Certificate,
} from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { systemClock, systemRandom } from '@shoal/runtime';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  tlsInfo,
} from './authority.ts';
import { isTrusted } from './chain.ts';
import { crossSign } from './rotation.ts';
import { isStrongKey } from './signing-key.ts';
import { subjectOf } from './subject.ts';
import { loadX509 } from './x509.ts';

const now = systemClock.now();
const random = systemRandom;
const clusterId = 'y2m4x5b6c7d8e9f0a1b2c3d4e';
const nodeId = 'k9a8b7c6d5e4f3g2h1i0j9k8l';

let ca: ClusterCa;
beforeAll(async () => {
  ca = await createClusterCa(now, random);
});

async function issue(role: 'manager' | 'worker'): Promise<X509Certificate> {
  const { request } = await createNodeKey();
  const subject = { nodeId, role, clusterId };
  const issued = await issueCertificate({ ca, request, subject, now, random });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return new X509Certificate(issued.certificate);
}

describe('the cluster root', () => {
  test('is named swarm-ca, signs itself and lasts twenty years', () => {
    const root = new X509Certificate(ca.certificate);
    expect(root.subject).toBe('CN=swarm-ca');
    expect(root.verify(root.publicKey)).toBe(true);
    expect(root.ca).toBe(true);
    expect(root.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    const years = (Date.parse(root.validTo) - now) / (365 * 86_400_000);
    expect(years).toBeCloseTo(20, 3);
  });

  test("has the TLSInfo that Docker shows of Swarm's own root", async () => {
    const info = await tlsInfo(ca.certificate);
    expect(info.TrustRoot).toBe(ca.certificate);
    expect(info.CertIssuerSubject).toBe('MBMxETAPBgNVBAMTCHN3YXJtLWNh');
    const key = createPublicKey(ca.certificate).export({ format: 'der', type: 'spki' });
    expect(info.CertIssuerPublicKey).toBe(key.toString('base64'));
  });
});

describe('a node certificate', () => {
  test('says what the cluster decided, whatever the request claims', async () => {
    const certificate = await issue('worker');
    expect(subjectOf(certificate.raw)).toEqual({ nodeId, role: 'worker', clusterId });
    expect(certificate.subjectAltName).toBe(`DNS:swarm-worker, DNS:${nodeId}`);
    expect(certificate.verify(createPublicKey(ca.certificate))).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  test('of a manager also carries the name swarm-ca', async () => {
    const certificate = await issue('manager');
    expect(certificate.subjectAltName).toBe(`DNS:swarm-manager, DNS:${nodeId}, DNS:swarm-ca`);
  });

  test('is valid from an hour ago for ninety days', async () => {
    const certificate = await issue('worker');
    expect(Date.parse(certificate.validFrom)).toBe(Math.floor((now - 3_600_000) / 1000) * 1000);
    expect(Date.parse(certificate.validTo)).toBe(Math.floor((now + 7_776_000_000) / 1000) * 1000);
  });

  test.each(['', 'not a request', '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END'])(
    'is refused for the request %j',
    async (request) => {
      const subject = { nodeId, role: 'worker', clusterId } as const;
      const issued = await issueCertificate({ ca, request, subject, now, random });
      expect(issued.kind).toBe('refused');
    },
  );

  test('is refused when the request is not signed by its key', async () => {
    const { request } = await createNodeKey();
    const der = Buffer.from(request.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const last = der.length - 1;
    der[last] = (der[last] ?? 0) ^ 1;
    const body = der.toString('base64').replace(/.{64}/g, '$&\n');
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${body}\n-----END CERTIFICATE REQUEST-----`;
    const subject = { nodeId, role: 'manager', clusterId } as const;
    const issued = await issueCertificate({ ca, request: forged, subject, now, random });
    expect(issued.kind).toBe('refused');
  });
});

describe('a root that people bring', () => {
  type Kind = [
    name: string,
    algorithm: webcrypto.RsaHashedKeyGenParams | webcrypto.EcKeyGenParams,
    hash: string,
  ];
  const rsa = { name: 'RSASSA-PKCS1-v1_5', publicExponent: new Uint8Array([1, 0, 1]) };
  const ec = (namedCurve: string) => ({ name: 'ECDSA', namedCurve });

  /** Self-signed, as other tools make it; its key identifier is not computed as ours. */
  async function bring(algorithm: Kind[1], hash: string): Promise<ClusterCa> {
    const x509 = await loadX509();
    const keys = (await crypto.subtle.generateKey({ ...algorithm, hash }, true, [
      'sign',
      'verify',
    ])) as webcrypto.CryptoKeyPair;
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=Our own root',
      keys,
      signingAlgorithm: { name: algorithm.name, hash },
      notAfter: new Date(now + 1_000 * 86_400_000),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.SubjectKeyIdentifierExtension('0102030405060708'),
      ],
    });
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
    return { certificate: `${certificate.toString('pem')}\n`, key: pem };
  }

  test.each<Kind>([
    ['RSA with 2048 bits', { ...rsa, modulusLength: 2_048, hash: 'SHA-256' }, 'SHA-256'],
    ['P-384', ec('P-384'), 'SHA-384'],
    ['P-521', ec('P-521'), 'SHA-512'],
  ])('of %s signs, and is certified by the old root', async (_name, algorithm, hash) => {
    const own = await bring(algorithm, hash);
    expect(isStrongKey(createPublicKey(own.certificate))).toBe(true);
    const { request, key } = await createNodeKey();
    const subject = { nodeId, role: 'manager', clusterId } as const;
    const issued = await issueCertificate({ ca: own, request, subject, now, random });
    if (issued.kind !== 'issued') throw new Error(issued.reason);
    const crossSigned = await crossSign(ca, own, now, random);
    const chain = issued.certificate + crossSigned;
    expect(isTrusted(issued.certificate, own.certificate)).toBe(true);
    expect(isTrusted(chain, ca.certificate)).toBe(true);
    const back = await crossSign(own, ca, now, random);
    expect(isTrusted((await issue('worker')).toString() + back, own.certificate)).toBe(true);
    for (const trusts of [own.certificate, ca.certificate])
      expect(await isAccepted({ cert: chain, key }, trusts)).toBe(true);
  });

  test.each([
    ['RSA with 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1_024 })],
    ['Ed25519', generateKeyPairSync('ed25519')],
    ['secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' })],
  ])('of %s is too weak or unknown', (_name, { publicKey }) => {
    expect(isStrongKey(publicKey)).toBe(false);
  });
});

/** Whether a client that trusts only `ca` takes the server for a manager. */
async function isAccepted(server: { cert: string; key: string }, ca: string): Promise<boolean> {
  const listening = createServer(server).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const client = connect({ port, ca, servername: 'swarm-manager', rejectUnauthorized: false });
  await once(client, 'secureConnect');
  client.destroy();
  listening.close();
  return client.authorized;
}

test('a node certificate is no authority, whatever is signed with its key', async () => {
  const { request, key } = await createNodeKey();
  const subject = { nodeId, role: 'worker', clusterId } as const;
  const own = await issueCertificate({ ca, request, subject, now, random });
  if (own.kind !== 'issued') throw new Error(own.reason);
  const forged = await issueCertificate({
    ca: { certificate: own.certificate, key },
    request: (await createNodeKey()).request,
    subject: { nodeId, role: 'manager', clusterId },
    now,
    random,
  });
  if (forged.kind !== 'issued') throw new Error(forged.reason);
  expect(isTrusted(own.certificate, ca.certificate)).toBe(true);
  expect(isTrusted(forged.certificate + own.certificate, ca.certificate)).toBe(false);
  expect(isTrusted(forged.certificate + own.certificate + ca.certificate, ca.certificate)).toBe(
    false,
  );
});

test('a root is not the certificate of a node', () => {
  expect(subjectOf(new X509Certificate(ca.certificate).raw)).toBeUndefined();
});
