import type { Clock, Random } from '@shoal/runtime';
import { type GossipKey, Keyring } from './keyring.ts';
import { keyPromotedAfterMs } from './limits.ts';

/**
 * The keys as a host hears of them, newest first. Hosts hear of a new key at different times, so that each
 * goes on with the key it had for a while, until all others can open what the new one seals.
 */
export class KeyRotation {
  readonly #random: Random;
  readonly #clock: Clock;
  #ring: Keyring | undefined;
  #keys: readonly GossipKey[] = [];
  #primary: number | undefined;
  #newestSince = 0;

  constructor(random: Random, clock: Clock) {
    this.#random = random;
    this.#clock = clock;
  }

  /** Whether there is a key at all. */
  get hasKeys(): boolean {
    return this.#ring !== undefined;
  }

  /** All that are to be known from now on; the first is to seal before long. */
  replace(keys: readonly GossipKey[]): void {
    const newest = keys[0];
    if (newest === undefined) return;
    if (newest.number !== this.#keys[0]?.number) this.#newestSince = this.#clock.monotonic();
    this.#keys = keys;
    const used = keys.find(({ number }) => number === this.#primary);
    // The key before the newest is the one that everybody has.
    this.#use((used ?? keys[1] ?? newest).number);
  }

  /** Undefined while there is no key. */
  seal(plain: Uint8Array): Uint8Array | undefined {
    const newest = this.#keys[0]?.number;
    const isDue = this.#clock.monotonic() - this.#newestSince >= keyPromotedAfterMs;
    if (newest !== undefined && newest !== this.#primary && isDue) this.#use(newest);
    return this.#ring?.seal(plain);
  }

  /** Undefined when none of the keys has sealed it, or it was changed on the way. */
  open(sealed: Uint8Array): Uint8Array | undefined {
    return this.#ring?.open(sealed);
  }

  #use(primary: number): void {
    this.#primary = primary;
    if (this.#ring === undefined) this.#ring = new Keyring(this.#random, this.#keys, primary);
    else this.#ring.replace(this.#keys, primary);
  }
}
