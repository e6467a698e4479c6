import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { keepAuthorityCopy } from './authority-copy.ts';
import { keepLock } from './autolock.ts';
import { keepIngress } from './ingress.ts';
import { keepOwnCertificate } from './own-certificate.ts';
import { keepRoot } from './root-rotation.ts';

/** What a manager's api process looks after besides answering. Gives the end of it back. */
export function startKeepers(
  manager: HostedManager,
  options: MembershipOptions,
): () => Promise<void> {
  const keepers = [
    keepAuthorityCopy(manager, options),
    keepLock(manager, options),
    keepOwnCertificate(manager, options),
    keepRoot(manager, options),
    keepIngress(manager, options),
  ];
  return async () => {
    await Promise.all(keepers.map((stop) => stop()));
  };
}
