import { bytesOf, parseAddress } from './address.ts';

/** Offsets and prime of FNV-1a, 32 bits. */
const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;

/**
 * The hardware address that goes with an address, the same on every host: 02:42 and the four bytes of
 * IPv4; 02 and 40 bits of a hash of IPv6. Undefined when the text is no address.
 */
export function macOf(text: string): string | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const { family, value } = address;
  const bytes = family === 4 ? [0x42, ...bytesOf(value, 4)] : hash40(bytesOf(value, 16));
  return [0x02, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Five bytes of two FNV-1a hashes, the second over the first's result and the same bytes. */
export function hash40(bytes: readonly number[]): readonly number[] {
  const low = fnv1a(fnvOffset, bytes);
  const high = fnv1a(low, bytes);
  return [high & 255, ...bytesOf(BigInt(low), 4)];
}

function fnv1a(start: number, bytes: readonly number[]): number {
  let hash = start;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, fnvPrime);
  return hash >>> 0;
}
