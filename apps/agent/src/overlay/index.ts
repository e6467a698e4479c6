/** The kernel's side of overlay networks alone, for suites in virtual machines. */
export { BuiltNetworks } from './built-networks.ts';
export { Commands } from './commands.ts';
export { findEncryptionAbility, hostEncryption } from './encryption/ability.ts';
export { overlayMetrics } from './metrics.ts';
export { Registry } from './registry.ts';
