import { hostname } from 'node:os';
import { type KernelCommands, kernelCommands, probeWireguard } from '@shoal/overlay/kernel';
import type { Logger, Random } from '@shoal/runtime';
import type { HostEncryption } from '@shoal/state';
import { loadTunnelKey, type TunnelKey, tunnelKeyFile } from './tunnel-key.ts';

export const encryptionPortDefault = 51_820;

/** Whether this host can take part in encrypted networks. */
export type EncryptionAbility =
  | { readonly kind: 'able'; readonly key: TunnelKey; readonly port: number }
  /** `reason` continues a sentence about a network. */
  | { readonly kind: 'unable'; readonly reason: string };

export interface EncryptionAbilityOptions {
  readonly dataDir: string;
  /** UDP port that encrypted packets come to. */
  readonly port: number;
  readonly random: Random;
  readonly logger: Logger;
  readonly commands?: KernelCommands | undefined;
}

/**
 * Tries it out, in a namespace that is taken away again, and has the host's key.
 * @throws the file system's error.
 */
export async function findEncryptionAbility({
  dataDir,
  port,
  random,
  logger,
  commands = kernelCommands(),
}: EncryptionAbilityOptions): Promise<EncryptionAbility> {
  const found = await probeWireguard(commands, `shoal-encrypt-${process.pid}`);
  if (found.kind === 'yes') {
    return { kind: 'able', key: await loadTunnelKey(tunnelKeyFile(dataDir), random), port };
  }
  logger.info({ reason: found.reason }, 'encryption_unavailable');
  const reason = `it is encrypted, and host ${hostname()} cannot encrypt overlay networks: ${found.reason}`;
  return { kind: 'unable', reason };
}

/** As the swarm is told of it. */
export function hostEncryption(ability: EncryptionAbility): HostEncryption | undefined {
  if (ability.kind === 'unable') return undefined;
  return { PublicKey: ability.key.publicKey, Port: ability.port };
}
