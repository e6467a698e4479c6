import type { Random } from './random.ts';

const idBytes = 17;
/** Length of an object id: 25 characters of [0-9a-z], as in Swarm. */
export const idLength = 25;

/**
 * A new object id in Swarm's form: 17 random bytes with the top bit set, in base 36, first digit
 * dropped, 25 kept. Not sortable by time.
 */
export function newId(random: Random): string {
  const bytes = Buffer.from(random.bytes(idBytes));
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return BigInt(`0x${bytes.toString('hex')}`)
    .toString(36)
    .slice(1, 1 + idLength);
}
