import type { Random } from '@shoal/runtime';

/** Below 2^48, so that a number is exact everywhere. */
const bytes = 6;

/** A new voter's number: random, never 0, so never used twice in the life of a cluster. */
export function newVoterId(random: Random): number {
  const number = Buffer.from(random.bytes(bytes)).readUIntBE(0, bytes);
  return number === 0 ? newVoterId(random) : number;
}
