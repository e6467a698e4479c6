import { randomBytes } from 'node:crypto';

/** Chance as the outside hands it in: `systemRandom` in production, a seeded generator in simulations. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `count` uniform bytes. The system's are fit for keys; a seeded generator's are not. */
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: (count) => randomBytes(count),
};
