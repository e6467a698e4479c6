import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { subjectOf } from './subject.ts';
import { keyAlgorithm, loadX509 } from './x509.ts';

/** A certificate with this subject, as another user of a company's root may have one. */
async function named(
  name: readonly Readonly<Record<string, string[]>>[],
): Promise<ReturnType<typeof subjectOf>> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [...name],
    keys,
    signingAlgorithm: keyAlgorithm,
  });
  return subjectOf(new X509Certificate(certificate.toString('pem')).raw);
}

const OU = { OU: ['swarm-worker'] };

test('the subject of a node names it', async () => {
  const subject = await named([{ O: ['c1'] }, OU, { CN: ['n1'] }]);
  expect(subject).toEqual({ nodeId: 'n1', role: 'worker', clusterId: 'c1' });
});

test('a certificate without subject is none of a node', async () => {
  expect(await named([])).toBeUndefined();
});

test('a name goes on behind an equals sign: it is not that of another node', async () => {
  const subject = await named([{ O: ['c1=x'] }, OU, { CN: ['n1=x'] }]);
  expect(subject).toEqual({ nodeId: 'n1=x', role: 'worker', clusterId: 'c1=x' });
});
