import type { Monotonic } from '@shoal/runtime';

/** Wrong join tokens from one address within {@link windowMs}; the next ones are not even looked at. */
export const guessesMax = 10;
/** Milliseconds. */
export const windowMs = 60_000;
/** Addresses that are remembered; of more, the one that was quiet longest is forgotten. */
export const addressesMax = 4_096;

interface Guesses {
  readonly since: Monotonic;
  readonly count: number;
}

/**
 * Slows down who guesses at join tokens. Only wrong ones count, so that many nodes may join through one
 * address. A token has 128 bits: this protects the processor rather than the secret.
 */
export class GuessLimit {
  readonly #monotonic: () => Monotonic;
  readonly #byAddress = new Map<string, Guesses>();

  constructor(monotonic: () => Monotonic) {
    this.#monotonic = monotonic;
  }

  /** Milliseconds until the address may try again; 0 when it may now. */
  waitMs(address: string): number {
    const guesses = this.#current(address);
    if (guesses === undefined || guesses.count < guessesMax) return 0;
    return guesses.since + windowMs - this.#monotonic();
  }

  /** A token from the address was wrong. */
  wrong(address: string): void {
    const guesses = this.#current(address);
    this.#byAddress.delete(address);
    this.#byAddress.set(address, {
      since: guesses?.since ?? this.#monotonic(),
      count: (guesses?.count ?? 0) + 1,
    });
    for (const oldest of this.#byAddress.keys()) {
      if (this.#byAddress.size <= addressesMax) break;
      this.#byAddress.delete(oldest);
    }
  }

  #current(address: string): Guesses | undefined {
    const guesses = this.#byAddress.get(address);
    if (guesses === undefined || this.#monotonic() - guesses.since < windowMs) return guesses;
    this.#byAddress.delete(address);
    return undefined;
  }
}
