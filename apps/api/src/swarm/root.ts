import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ApiError, invalidArgument } from '@shoal/docker-api';
import {
  type ClusterCa,
  certificatesOf,
  createClusterCa,
  isStrongKey,
  seal,
  startRotation,
} from '@shoal/pki';
import type { Instant } from '@shoal/runtime';
import type { Cluster, RootCa } from '@shoal/state';
import { openSealed, sealedPlaces } from '../cluster/sealed.ts';
import type { ClusterChange, ClusterPorts } from './update.ts';

/** A root that a user brings must be valid for so long, as Swarm asks; milliseconds. */
const rootLifeMsMin = 365 * 86_400_000;

/**
 * The root of trust as the update asks for it: the same, or with a fresh one on its way in.
 * @throws ApiError for a root that cannot sign.
 */
export async function rotatedRoot(
  cluster: Cluster,
  { spec, signingCa }: ClusterChange,
  { sealKey, clock, random }: ClusterPorts,
): Promise<RootCa> {
  const { id, rootCa } = cluster;
  const forceRotate = spec.CAConfig.ForceRotate ?? 0;
  const answered = rootCa.forceRotate ?? 0;
  const isForced = forceRotate > answered;
  if (!isForced && signingCa === undefined)
    // A client that left it out: whoever counts on from there means a rotation.
    return forceRotate < answered ? { ...rootCa, forceRotate } : rootCa;
  const now = clock.now();
  let brought: ClusterCa | undefined;
  if (signingCa !== undefined) {
    const wanted = checkRoot(signingCa, now);
    const present = new X509Certificate(rootCa.certificate);
    if (wanted.raw.equals(present.raw)) {
      // The present root is what is wanted: one that is on its way is called off.
      const { rotation: _off, ...rest } = rootCa;
      return { ...rest, forceRotate };
    }
    // Nodes tell by the key whose certificate they have: none would ask for one of the new root.
    if (wanted.publicKey.equals(present.publicKey))
      throw invalidArgument('Cannot update to a cert with an identical key');
    // Not its text: that may have headings and line ends in which nodes find no certificate.
    brought = { certificate: wanted.toString(), key: signingCa.key };
  }
  if (rootCa.key === undefined)
    throw new ApiError(
      501,
      'a root whose key is with an external authority cannot be rotated here',
    );
  const fresh = brought ?? (await createClusterCa(now, random));
  return startRotation({
    root: rootCa,
    key: openSealed(sealKey, rootCa.key, sealedPlaces.rootKey(id)),
    fresh,
    sealedKey: seal(sealKey, fresh.key, sealedPlaces.rootKey(id), random),
    forceRotate,
    now,
    random,
  });
}

function checkRoot({ certificate, key }: ClusterCa, now: Instant): X509Certificate {
  if (key === '')
    throw new ApiError(
      501,
      'a root without its key needs an external authority, which cannot be rotated to',
    );
  let root: X509Certificate;
  try {
    root = new X509Certificate(certificate);
  } catch {
    throw invalidArgument('CA certificate is not a PEM certificate');
  }
  if (!root.ca) throw invalidArgument('CA certificate is not one of an authority');
  // Its nodes would prove nothing to each other: TLS asks for the authority above it.
  if (!root.checkIssued(root) || !root.verify(root.publicKey))
    throw invalidArgument('CA certificate must be a root, signed by itself');
  if (root.validFromDate.getTime() > now)
    throw invalidArgument("CA certificate is not valid yet by this manager's clock");
  if (root.validToDate.getTime() - now < rootLifeMsMin)
    throw invalidArgument('CA certificate must be valid for at least a year from now');
  let fits = false;
  try {
    fits = root.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw invalidArgument('the CA key is not a PEM key, or it is encrypted');
  }
  if (!fits) throw invalidArgument('the CA key is not that of the CA certificate');
  if (certificatesOf(certificate).length > 1)
    throw invalidArgument('the CA certificate must be one certificate, not several');
  if (!isStrongKey(root.publicKey))
    throw invalidArgument('the CA key must be ECDSA on P-256, P-384 or P-521, or RSA of 2048 bits');
  return root;
}
