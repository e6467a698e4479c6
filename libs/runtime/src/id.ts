import type { Random } from './random.ts';

const idBytes = 17;
/** Length of an object id: 25 characters of [0-9a-z], as in Swarm. */
export const idLength = 25;

/**
 * A new object id in Swarm's form: 17 random bytes with the top bit set, in base 36, first digit
 * dropped, 25 kept. Not sortable by time.
 */
export function newId(random: Random): string {
  const bytes = random.bytes(idBytes);
  let value = 0n;
  for (const [at, byte] of bytes.entries())
    value = (value << 8n) | BigInt(at === 0 ? byte | 0x80 : byte);
  return value.toString(36).slice(1, 1 + idLength);
}
