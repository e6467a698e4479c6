import { createHash } from 'node:crypto';

/** Characters of a digest in hexadecimal. */
const digestCharacters = 16;

/** 64 bits of SHA-256. Digests of sets are the exclusive or of their members', whatever the order. */
export function digestOf(...parts: readonly (string | Uint8Array)[]): bigint {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().readBigUInt64BE(0);
}

/** Hexadecimal: how a digest is told. */
export function digestText(digest: bigint): string {
  return digest.toString(16).padStart(digestCharacters, '0');
}
