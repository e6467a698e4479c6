import type { Random } from '@shoal/runtime';

const poolBytes = 4_096;
const numberBytes = 4;

/** Draws from `random` in bigger pieces: an answer with many addresses takes many numbers. */
export function pooledRandom(random: Random): Random {
  let pool = Buffer.alloc(0);
  let at = 0;
  return {
    next() {
      if (at + numberBytes > pool.length) {
        pool = Buffer.from(random.bytes(poolBytes));
        at = 0;
      }
      const value = pool.readUInt32BE(at) / 2 ** 32;
      at += numberBytes;
      return value;
    },
    bytes: (count) => random.bytes(count),
  };
}
