import { createPrivateKey, type webcrypto } from 'node:crypto';
import type { Instant, Random } from '@shoal/runtime';
import { type NodeRole, roleUnit } from './role.ts';
import { keyAlgorithm, loadX509 } from './x509.ts';

/** A root of trust that can issue. PEM texts; the key is PKCS #8 and must be sealed where it is kept. */
export interface ClusterCa {
  readonly certificate: string;
  readonly key: string;
}

/** A node's private key (PKCS #8) and the request for its certificate, both PEM. */
export interface NodeKey {
  readonly key: string;
  readonly request: string;
}

/** As Swarm: 630 720 000 s, twenty years of 365 days. */
const caValidityMs = 20 * 365 * 86_400_000;
/** Swarm's default life of a node certificate, 2160 h. */
export const nodeValidityMs = 90 * 86_400_000;
/** Certificates are valid from before their making, for hosts whose clocks run behind. */
const backdateMs = 3_600_000;
const serialBytes = 16;
export const caName = 'swarm-ca';

/** A new cluster root: self-signed, CN `swarm-ca`. */
export async function createClusterCa(now: Instant, random: Random): Promise<ClusterCa> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(random),
    name: [{ CN: [caName] }],
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + caValidityMs),
    signingAlgorithm: keyAlgorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** A new key for a node; it never leaves the host that made it. */
export async function createNodeKey(): Promise<NodeKey> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=unset',
    keys,
    signingAlgorithm: keyAlgorithm,
  });
  return { key: await exportKey(keys.privateKey), request: `${request.toString('pem')}\n` };
}

export interface NodeSubject {
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
}

export type Issued =
  | { readonly kind: 'issued'; readonly certificate: string }
  /** The request is no PKCS #10, or is not signed by the key it names. */
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Issues a node certificate (PEM). Only the public key is taken from the request: subject and names are the
 * cluster's decision alone. CN is the node's id, OU `swarm-manager` or `swarm-worker`, O the cluster's
 * id; the names are OU and CN, and `swarm-ca` for managers.
 */
export async function issueCertificate(options: {
  readonly ca: ClusterCa;
  readonly request: string;
  readonly subject: NodeSubject;
  readonly now: Instant;
  readonly random: Random;
  /** Milliseconds; {@link nodeValidityMs} when absent. */
  readonly validityMs?: number;
}): Promise<Issued> {
  const x509 = await loadX509();
  const { ca, subject, now } = options;
  const publicKey = await requestedKey(options.request);
  if (publicKey === undefined) {
    return { kind: 'refused', reason: 'the certificate request is not valid' };
  }
  const issuer = new x509.X509Certificate(ca.certificate);
  const unit = roleUnit(subject.role);
  const names = [unit, subject.nodeId, ...(subject.role === 'manager' ? [caName] : [])];
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(options.random),
    subject: [{ O: [subject.clusterId] }, { OU: [unit] }, { CN: [subject.nodeId] }],
    issuer: issuer.subjectName,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + (options.validityMs ?? nodeValidityMs)),
    signingAlgorithm: keyAlgorithm,
    publicKey,
    signingKey: await importKey(ca.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: 'dns', value }) as const),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { kind: 'issued', certificate: `${certificate.toString('pem')}\n` };
}

/** What the API shows of a trust root; subject and key are base64 of DER, as Docker has them. */
export interface TlsInfo {
  readonly TrustRoot: string;
  readonly CertIssuerSubject: string;
  readonly CertIssuerPublicKey: string;
}

/** Docker's `TLSInfo` of a cluster whose nodes trust `caCertificate` (PEM). */
export async function tlsInfo(caCertificate: string): Promise<TlsInfo> {
  const x509 = await loadX509();
  const certificate = new x509.X509Certificate(caCertificate);
  return {
    TrustRoot: caCertificate,
    CertIssuerSubject: Buffer.from(certificate.subjectName.toArrayBuffer()).toString('base64'),
    CertIssuerPublicKey: Buffer.from(certificate.publicKey.rawData).toString('base64'),
  };
}

async function requestedKey(request: string) {
  const x509 = await loadX509();
  try {
    const parsed = new x509.Pkcs10CertificateRequest(request);
    return (await parsed.verify()) ? parsed.publicKey : undefined;
  } catch {
    return undefined;
  }
}

/** Positive and never zero, as certificates want it. */
function newSerial(random: Random): string {
  const bytes = Buffer.from(random.bytes(serialBytes));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString();
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' });
  return crypto.subtle.importKey('pkcs8', der, keyAlgorithm, false, ['sign']);
}
