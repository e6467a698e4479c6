import type { Random } from '@shoal/runtime';

/** Where dispatchers listen, the one of the own host first when there is one. */
export class Dispatchers {
  readonly #random: Random;
  #own = '';
  #configured: readonly string[] = [];
  #told: readonly string[] = [];
  #failed: string | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** From the identity: what was known when the host joined. */
  configure(own: string, others: readonly string[]): void {
    this.#own = own;
    this.#configured = others;
  }

  /** From a session: what lives now. An empty list is not believed. */
  told(addresses: readonly string[]): void {
    if (addresses.length > 0) this.#told = addresses;
  }

  failed(address: string): void {
    this.#failed = address;
  }

  worked(): void {
    this.#failed = undefined;
  }

  /** One to try; the one that failed last only if there is no other. */
  next(): string | undefined {
    const all = new Set([this.#own, ...this.#told, ...this.#configured]);
    all.delete('');
    if (this.#own !== '' && this.#failed !== this.#own) return this.#own;
    const others = [...all].filter((address) => address !== this.#failed);
    const candidates = others.length > 0 ? others : [...all];
    return candidates[Math.floor(this.#random.next() * candidates.length)];
  }
}
