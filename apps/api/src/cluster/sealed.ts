import { newJoinToken, type Sealed, seal, unseal } from '@shoal/pki';
import { invariant, type Random } from '@shoal/runtime';
import type { Cluster } from '@shoal/state';

/** Places that sealed values of the cluster belong to. */
export const sealedPlaces = {
  rootKey: (clusterId: string) => `cluster/${clusterId}/root-key`,
  unlockKey: (clusterId: string) => `cluster/${clusterId}/unlock-key`,
  joinToken: (clusterId: string, role: 'worker' | 'manager') =>
    `cluster/${clusterId}/join-token/${role}`,
  registryAuth: (revisionId: string) => `revision/${revisionId}/registry-auth`,
  secret: (secretId: string) => `secret/${secretId}`,
} as const;

/** What was sealed for `place` by a manager of this cluster, as text; that it opens is certain. */
export function openSealed(sealKey: Buffer, value: Sealed, place: string): string {
  return openSealedBytes(sealKey, value, place).toString('utf8');
}

export function openSealedBytes(sealKey: Buffer, value: Sealed, place: string): Buffer {
  const opened = unseal(sealKey, value, place);
  invariant(opened !== undefined, 'a sealed value of the cluster does not open', { place });
  return opened;
}

/** A fresh token for a role, as the state keeps it. */
export function sealedToken(
  sealKey: Buffer,
  clusterId: string,
  role: 'worker' | 'manager',
  rootCertificate: string,
  random: Random,
): Sealed {
  const token = newJoinToken(rootCertificate, random);
  return seal(sealKey, token, sealedPlaces.joinToken(clusterId, role), random);
}

/** The unlock key as the state keeps it, for managers only. */
export function sealedUnlockKey(
  sealKey: Buffer,
  clusterId: string,
  { unlockKey, version }: { readonly unlockKey: string; readonly version: number },
  random: Random,
): NonNullable<Cluster['unlockKey']> {
  return { key: seal(sealKey, unlockKey, sealedPlaces.unlockKey(clusterId), random), version };
}
