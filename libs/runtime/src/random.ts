import { randomBytes, randomFillSync } from 'node:crypto';

/** Chance as the outside hands it in: `systemRandom` in production, a seeded generator in simulations. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `count` uniform bytes. The system's are fit for keys; a seeded generator's are not. */
  bytes(count: number): Uint8Array;
}

/** Bytes asked of the system at once: a call costs as much for a thousand as for ten. */
const poolBytes = 4_096;
/** More than this is asked for by itself. */
const pooledMax = 256;

class SystemRandom implements Random {
  readonly #pool = Buffer.alloc(poolBytes);
  #used = poolBytes;

  next(): number {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.bytes(6);
    return (((a << 16) | (b << 8) | c) * 2 ** 24 + ((d << 16) | (e << 8) | f)) / 2 ** 48;
  }

  bytes(count: number): Uint8Array {
    if (count > pooledMax) return randomBytes(count);
    if (this.#used + count > poolBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const from = this.#used;
    this.#used += count;
    // Memory of its own, not a piece of one that others have pieces of.
    const taken = Buffer.allocUnsafeSlow(count);
    this.#pool.copy(taken, 0, from, this.#used);
    // What was handed out may be a key: it must not be found here as well.
    this.#pool.fill(0, from, this.#used);
    return taken;
  }
}

export const systemRandom: Random = new SystemRandom();
