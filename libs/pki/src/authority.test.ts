import { createPublicKey, X509Certificate } from 'node:crypto';
import { systemClock, systemRandom } from '@shoal/runtime';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  tlsInfo,
} from './authority.ts';
import { subjectOf } from './subject.ts';

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

test('a root is not the certificate of a node', () => {
  expect(subjectOf(new X509Certificate(ca.certificate).raw)).toBeUndefined();
});
