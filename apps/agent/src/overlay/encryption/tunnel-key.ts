import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Random } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';

const keyBytes = 32;
const ownerOnly = 0o600;
/** What stands before the 32 bytes of an X25519 key in PKCS #8, RFC 8410. */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** A host's pair of WireGuard's keys, in base64. */
export interface TunnelKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Where a host's private key is kept, under the data directory. */
export function tunnelKeyFile(dataDir: string): string {
  return join(dataDir, 'agent', 'tunnel.key');
}

/**
 * The key of before, or a new one: it lives as long as the host is in its swarm.
 * @throws the file system's error.
 */
export async function loadTunnelKey(path: string, random: Random): Promise<TunnelKey> {
  const kept = await readFile(path, 'utf8').catch(() => '');
  const known = Buffer.from(kept, 'base64');
  if (known.length === keyBytes) return keyOf(known);
  const made = random.bytes(keyBytes);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, `${Buffer.from(made).toString('base64')}\n`, ownerOnly);
  return keyOf(made);
}

export function forgetTunnelKey(path: string): Promise<void> {
  return rm(path, { force: true });
}

function keyOf(secret: Uint8Array): TunnelKey {
  const key = Buffer.concat([pkcs8Prefix, secret]);
  const pair = createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
  const { x = '' } = pair.export({ format: 'jwk' });
  return {
    privateKey: Buffer.from(secret).toString('base64'),
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
  };
}
