import { createPrivateKey, type webcrypto } from 'node:crypto';
import type { Instant, Random } from '@shoal/runtime';
import { certificatesOf, isIssuedBy } from './chain.ts';
import type { Identity } from './identity.ts';
import { type NodeRole, roleUnit } from './role.ts';
import { keyIdentifierOf, requestedKey, signingKeyOf } from './signing-key.ts';
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

/** No root was made before this, whatever the clock of its host said. */
const firstRootMs = Date.UTC(2026, 0, 1);

/**
 * A new cluster root: self-signed, CN `swarm-ca`. Valid since 1970, so that a host whose clock was wrong
 * when it made the cluster need not make it again once the clock is right.
 */
export async function createClusterCa(now: Instant, random: Random): Promise<ClusterCa> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(random),
    name: [{ CN: [caName] }],
    ...rootValidity(now),
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

/** Dates of a root, or of a root's key certified by another. */
export function rootValidity(now: Instant): { readonly notBefore: Date; readonly notAfter: Date } {
  return {
    notBefore: new Date(0),
    notAfter: new Date(Math.max(now, firstRootMs) + caValidityMs),
  };
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

/** What a request gets that no certificate can be made of. */
export const badRequest = {
  kind: 'refused',
  reason: 'the certificate request is not valid',
} as const;

/** The DNS names of a node's certificate: servers are known by their role, whatever their address. */
export function namesOf({ nodeId, role }: NodeSubject): readonly string[] {
  return [roleUnit(role), nodeId, ...(role === 'manager' ? [caName] : [])];
}

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
  const requested = await requestedKey(options.request);
  if (requested === undefined) return badRequest;
  const issuer = new x509.X509Certificate(ca.certificate);
  const names = namesOf(subject);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(options.random),
    subject: [
      { O: [subject.clusterId] },
      { OU: [roleUnit(subject.role)] },
      { CN: [subject.nodeId] },
    ],
    issuer: issuer.subjectName,
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + (options.validityMs ?? nodeValidityMs)),
    publicKey: requested.forLibrary,
    ...(await signingKeyOf(ca.key)),
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
      await keyIdentifierOf(issuer),
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

/** Docker's `TLSInfo` of a cluster whose root is `caCertificate` (PEM). */
export function tlsInfo(caCertificate: string): Promise<TlsInfo> {
  return issuerInfo(caCertificate, caCertificate);
}

/**
 * Docker's `TLSInfo` of a node: whom it trusts, and which root issued its certificate. That is how a rotation
 * of the root knows who has arrived.
 */
export async function nodeTlsInfo(
  identity: Pick<Identity, 'caCertificate' | 'certificate'>,
): Promise<TlsInfo> {
  const [leaf, ...between] = certificatesOf(identity.certificate);
  const candidates = [...certificatesOf(identity.caCertificate), ...between];
  const issuer = candidates.find((each) => leaf !== undefined && isIssuedBy(leaf, each));
  return issuerInfo(issuer?.toString() ?? identity.caCertificate, identity.caCertificate);
}

async function issuerInfo(issuer: string, trustRoots: string): Promise<TlsInfo> {
  const x509 = await loadX509();
  const certificate = new x509.X509Certificate(issuer);
  return {
    TrustRoot: trustRoots,
    CertIssuerSubject: Buffer.from(certificate.subjectName.toArrayBuffer()).toString('base64'),
    CertIssuerPublicKey: Buffer.from(certificate.publicKey.rawData).toString('base64'),
  };
}

/** Positive and never zero, as certificates want it. */
export function newSerial(random: Random): string {
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
