import type { Random } from '@shoal/runtime';

/** Growing pauses between attempts: each up to twice the last, half of it by chance. */
export class Backoff {
  readonly #random: Random;
  readonly #firstMs: number;
  readonly #mostMs: number;
  #ceilingMs: number;

  constructor(random: Random, firstMs: number, mostMs: number) {
    this.#random = random;
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#ceilingMs = firstMs;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const ceilingMs = this.#ceilingMs;
    this.#ceilingMs = Math.min(2 * ceilingMs, this.#mostMs);
    return ceilingMs / 2 + (ceilingMs / 2) * this.#random.next();
  }

  /** An attempt went well. */
  reset(): void {
    this.#ceilingMs = this.#firstMs;
  }
}
