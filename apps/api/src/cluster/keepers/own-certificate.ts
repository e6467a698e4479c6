import { X509Certificate } from 'node:crypto';
import { createNodeKey, type Identity, issueCertificate, unseal, updateIdentity } from '@shoal/pki';
import type { Instant } from '@shoal/runtime';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { sealedPlaces } from '../sealed.ts';
import { readAuthorityCopy } from './authority-copy.ts';
import { Keeper } from './keeper.ts';

const everyMs = 10_000;

/** Whether the first certificate of the chain proves anything at this time. */
export function isValidAt(certificate: string, now: Instant): boolean {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return validFromDate.getTime() <= now && now < validToDate.getTime();
}

/**
 * The identity with a certificate that is valid now. A manager holds the cluster's root key, sealed: when
 * its own certificate has ended, or comes from a time when the clock was wrong, it makes a new one without
 * asking anybody. Where it cannot, the identity stays as it is.
 */
export async function certifyAgain(
  identity: Identity,
  { dataDir, clock, random, logger }: MembershipOptions,
): Promise<Identity> {
  const now = clock.now();
  const { clusterId, nodeId, sealKey } = identity;
  if (sealKey === undefined || isValidAt(identity.certificate, now)) return identity;
  const copy = await readAuthorityCopy(dataDir);
  const rootKey =
    copy?.key === undefined
      ? undefined
      : unseal(sealKey, copy.key, sealedPlaces.rootKey(clusterId))?.toString('utf8');
  if (copy === undefined || rootKey === undefined) {
    logger.error({ node: nodeId }, 'certificate_invalid');
    return identity;
  }
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca: { certificate: copy.certificate, key: rootKey },
    request,
    subject: { nodeId, role: 'manager', clusterId },
    now,
    random,
    validityMs: copy.validityMs,
  });
  if (issued.kind === 'refused') return identity;
  logger.warn({ node: nodeId }, 'certificate_made_anew');
  const certificate = `${issued.certificate}${copy.crossSigned}`;
  return updateIdentity(dataDir, { clusterId, nodeId }, (before) => ({
    ...before,
    certificate,
    key,
  }));
}

/** Certifies again while the manager runs, for when its clock is put right. Gives the stop. */
export function keepOwnCertificate(
  manager: HostedManager,
  options: MembershipOptions,
): () => Promise<void> {
  const { clock, logger } = options;
  const look = async (): Promise<void> => {
    const { identity } = manager;
    const certified = await certifyAgain(identity, options);
    if (certified !== identity) manager.renew(certified);
  };
  const keeper = new Keeper({ name: 'own certificate', everyMs, clock, logger, look });
  return () => keeper.stop();
}
