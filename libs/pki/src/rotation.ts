import type { Instant, Random } from '@shoal/runtime';
import type { Cluster, RootCa, StateView } from '@shoal/state';
import { type ClusterCa, newSerial, rootValidity, type TlsInfo, tlsInfo } from './authority.ts';
import type { NodeRole } from './role.ts';
import type { Sealed } from './seal.ts';
import { keyIdentifierOf, signingKeyOf } from './signing-key.ts';
import { loadX509 } from './x509.ts';

/**
 * The fresh root's key, certified by the old root (PEM): nodes that trust only the old one reach the
 * certificates of the fresh one through it. The old root stays what it is.
 */
export async function crossSign(
  old: ClusterCa,
  fresh: Pick<ClusterCa, 'certificate'>,
  now: Instant,
  random: Random,
): Promise<string> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(old.certificate);
  const subject = new x509.X509Certificate(fresh.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(random),
    subject: subject.subjectName,
    issuer: issuer.subjectName,
    ...rootValidity(now),
    publicKey: subject.publicKey,
    ...(await signingKeyOf(old.key)),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      // By the name that the fresh root gives its key, which certificates of it repeat.
      subject.getExtension(x509.SubjectKeyIdentifierExtension) ??
        (await x509.SubjectKeyIdentifierExtension.create(subject.publicKey)),
      await keyIdentifierOf(issuer),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** How the present root vouches for the fresh one. */
type OldRootsWord =
  /** PEM of the present root's key, opened. */
  | { readonly key: string }
  /** The fresh root's key certified already: by external authorities, who have the present root's key. */
  | { readonly crossSigned: string };

/** The root with a fresh one on its way in; one that was on its way already gives way to it. */
export async function startRotation(
  options: {
    readonly root: RootCa;
    readonly fresh: ClusterCa;
    /** The fresh root's key as the state keeps it. */
    readonly sealedKey: Sealed;
    /** The value of `CAConfig.ForceRotate` that this answers. */
    readonly forceRotate: number;
    readonly now: Instant;
    readonly random: Random;
  } & OldRootsWord,
): Promise<RootCa> {
  const { root, fresh, sealedKey, forceRotate, now, random } = options;
  const crossSigned =
    'crossSigned' in options
      ? options.crossSigned
      : await crossSign({ certificate: root.certificate, key: options.key }, fresh, now, random);
  return {
    ...root,
    forceRotate,
    rotation: {
      certificate: fresh.certificate,
      key: sealedKey,
      crossSigned,
      startedAt: now,
    },
  };
}

/** What certificates are signed with now, and what has to go with them. */
export interface SigningRoot {
  readonly certificate: string;
  /** Absent when only external authorities sign. */
  readonly key: Sealed | undefined;
  /** PEM appended to each certificate; empty while no root rotates. */
  readonly chain: string;
}

export function signingRoot({ certificate, key, rotation }: RootCa): SigningRoot {
  if (rotation === undefined) return { certificate, key, chain: '' };
  return { certificate: rotation.certificate, key: rotation.key, chain: rotation.crossSigned };
}

/** What nodes trust now (PEM): while a root rotates both, the old one first. */
export function trustRootsOf({ certificate, rotation }: RootCa): string {
  if (rotation === undefined) return certificate;
  // One that a user brought may lack its last newline: two on one line are none to TLS.
  return `${certificate.trimEnd()}\n${rotation.certificate}`;
}

/** Ids of the nodes that have no certificate of the fresh root yet; those that are down hold it up, as in Swarm. */
export async function rotationProgress(view: StateView): Promise<readonly string[]> {
  const rotation = view.cluster?.rootCa.rotation;
  if (rotation === undefined) return [];
  const wanted = await tlsInfo(rotation.certificate);
  return [...view.nodes.values()]
    .filter(({ description }) => !isOf(description?.TLSInfo, wanted))
    .map(({ id }) => id);
}

function isOf(
  info: Partial<TlsInfo> | undefined,
  { CertIssuerPublicKey, CertIssuerSubject }: TlsInfo,
): boolean {
  return (
    info?.CertIssuerPublicKey === CertIssuerPublicKey &&
    info.CertIssuerSubject === CertIssuerSubject
  );
}

/** The cluster with the fresh root alone, and with tokens that pin it; the old root proves nothing any more. */
export function finishRotation(
  cluster: Cluster,
  token: (role: NodeRole, trustRoot: string) => Sealed,
): Cluster {
  const { rotation, forceRotate } = cluster.rootCa;
  if (rotation === undefined) return cluster;
  const { certificate, key } = rotation;
  return {
    ...cluster,
    rootCa: { certificate, key, forceRotate },
    joinTokens: { worker: token('worker', certificate), manager: token('manager', certificate) },
  };
}
