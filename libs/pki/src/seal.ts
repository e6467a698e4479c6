import { createCipheriv, createDecipheriv } from 'node:crypto';
import { invariant, type Random, systemRandom } from '@shoal/runtime';

const cipher = 'aes-256-gcm';
export const sealKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** Base64 of nonce, ciphertext and tag (AES-256-GCM). */
export interface Sealed {
  readonly sealed: string;
}

export function newSealKey(random: Random): Buffer {
  return Buffer.from(random.bytes(sealKeyBytes));
}

/**
 * Encrypts `plain` so that only the key opens it, and only as what `associated` says it is (for example
 * `cluster/<id>/root-key`): a sealed value moved to another place does not open there.
 */
export function seal(
  key: Uint8Array,
  plain: string | Uint8Array,
  associated: string,
  random: Random = systemRandom,
): Sealed {
  invariant(key.length === sealKeyBytes, 'a seal key has 32 bytes', { length: key.length });
  const nonce = random.bytes(nonceBytes);
  const sealer = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  sealer.setAAD(Buffer.from(associated));
  const body = Buffer.concat([sealer.update(plain), sealer.final()]);
  return { sealed: Buffer.concat([nonce, body, sealer.getAuthTag()]).toString('base64') };
}

/** Undefined when the key, the associated data or the sealed bytes are not those of {@link seal}. */
export function unseal(key: Uint8Array, value: Sealed, associated: string): Buffer | undefined {
  invariant(key.length === sealKeyBytes, 'a seal key has 32 bytes', { length: key.length });
  const bytes = Buffer.from(value.sealed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  const nonce = bytes.subarray(0, nonceBytes);
  const opener = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  opener.setAAD(Buffer.from(associated));
  opener.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  try {
    const body = bytes.subarray(nonceBytes, bytes.length - tagBytes);
    return Buffer.concat([opener.update(body), opener.final()]);
  } catch {
    return undefined;
  }
}
