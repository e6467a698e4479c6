import { type Identity, requestCertificate, updateIdentity } from '@shoal/pki';
import { otherManagers } from './ask-managers.ts';
import type { MembershipOptions } from './options.ts';

export type RoleAnswer =
  /** The identity on disk says what the state says. */
  | { readonly kind: 'written' }
  /** The cluster gives this node no certificate any more. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unreachable'; readonly message: string };

/**
 * Asks the other managers for a certificate of the role that the state gives this node now, and takes it up.
 * One that is a manager then begins with a voter of its own anew.
 */
export async function askRole(
  identity: Identity,
  { dataDir, clock }: Pick<MembershipOptions, 'dataDir' | 'clock'>,
): Promise<RoleAnswer> {
  const { certificate, key, caCertificate } = identity;
  const outcome = await requestCertificate({
    addresses: otherManagers(identity),
    proof: { kind: 'renewal', certificate, key, trustRoots: caCertificate },
    clock,
    tries: 1,
  });
  if (outcome.kind === 'failed') {
    const kind = outcome.code === 'refused' ? 'refused' : 'unreachable';
    return { kind, message: outcome.message };
  }
  await updateIdentity(dataDir, identity, (current) => {
    // The agent was faster: its host may have another voter by now, whose log must stay.
    if (current.voterId !== identity.voterId) return current;
    const { sealKey: _old, ...before } = current;
    return {
      ...before,
      role: outcome.role,
      voterId: 0,
      certificate: outcome.certificate,
      key: outcome.key,
      caCertificate: outcome.trustRoots,
      ...(outcome.sealKey === undefined ? {} : { sealKey: outcome.sealKey }),
      managers: outcome.managers.length > 0 ? [...outcome.managers] : before.managers,
    };
  });
  return { kind: 'written' };
}
