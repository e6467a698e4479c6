import type { Random } from '@shoal/runtime';

/**
 * Where dispatchers listen, and whom to turn to next: to that of the own host first when there is one, then to
 * the others in an order of chance, each once before any is tried again.
 */
export class Dispatchers {
  readonly #random: Random;
  readonly #failed = new Set<string>();
  #own = '';
  #configured: readonly string[] = [];
  #told: readonly string[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** From the identity: what was known when the host was last told. */
  configure(own: string, others: readonly string[]): void {
    this.#own = own;
    this.#configured = others;
  }

  /** From a session: what lives now. An empty list is not believed. */
  told(addresses: readonly string[]): void {
    if (addresses.length > 0) this.#told = addresses;
  }

  /** A session there was not to be had, or has ended. */
  failed(address: string): void {
    this.#failed.add(address);
  }

  /** There is a session: what failed before it says nothing any more. */
  worked(): void {
    this.#failed.clear();
  }

  /** One to try. What lived by the last word of a session comes before what was known before. */
  next(): string | undefined {
    const found = this.#untried();
    if (found !== undefined) return found;
    this.#failed.clear();
    return this.#untried();
  }

  #untried(): string | undefined {
    if (this.#isOpen(this.#own)) return this.#own;
    for (const addresses of [this.#told, this.#configured]) {
      const open = [...new Set(addresses)].filter((address) => this.#isOpen(address));
      if (open.length > 0) return open[Math.floor(this.#random.next() * open.length)];
    }
    return undefined;
  }

  #isOpen(address: string): boolean {
    return address !== '' && !this.#failed.has(address);
  }
}
