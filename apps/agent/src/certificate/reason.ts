import { certificatesOf, type Identity, validityOf } from '@shoal/pki';
import type { SwarmView } from '@shoal/proto';
import type { Instant } from '@shoal/runtime';
import type { OwnNode } from '@shoal/state';

/** What the agent learned of its swarm. */
export interface Swarm {
  /** Its own node. */
  readonly node: OwnNode;
  readonly view: SwarmView;
}

/**
 * Why the host needs another certificate now; undefined when it needs none. A role is proved by the
 * certificate, so a promotion or a demotion is one; while the cluster's root rotates every node moves to
 * the new one.
 */
export function renewalReason(
  identity: Pick<Identity, 'certificate' | 'role' | 'sealKey'>,
  swarm: Swarm | undefined,
  now: Instant,
  dueAt: Instant,
): string | undefined {
  const validity = validityOf(identity.certificate);
  if (validity === undefined || now < validity.from || now >= validity.to)
    return 'the certificate is not valid at this time';
  if (swarm !== undefined && swarm.node.role !== identity.role)
    return `the node is to be a ${swarm.node.role}`;
  if (identity.role === 'manager' && identity.sealKey === undefined)
    return "the cluster's seal key is missing";
  if (swarm !== undefined && !isIssuedBy(identity.certificate, swarm.view.issuer))
    return 'the root of trust rotates';
  return now >= dueAt ? 'the certificate has lived long enough' : undefined;
}

function isIssuedBy(certificate: string, issuer: string): boolean {
  const [leaf] = certificatesOf(certificate);
  const [root] = certificatesOf(issuer);
  if (leaf === undefined || root === undefined) return true;
  return leaf.verify(root.publicKey);
}
