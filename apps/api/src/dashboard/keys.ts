import { createHash } from 'node:crypto';
import type { Clock, Monotonic, Random } from '@shoal/runtime';

/** Of keys and tokens: more than anybody can guess. */
const secretBytes = 32;
/** How long a key that nobody has used opens the dashboard, milliseconds. */
export const keyMs = 5 * 60_000;
/** How long nothing may be asked with a token, milliseconds. */
export const tokenIdleMs = 12 * 60 * 60_000;
/** Keys, and tokens, at the same time; the oldest gives way. */
const heldMax = 256;

/**
 * Who may see the dashboard. A key is made by who rules the host, and opens once: what it is changed for, a token, is
 * shown with every request. Only their digests are kept, in this process; when it ends, so do they.
 */
export class DashboardKeys {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #random: Pick<Random, 'bytes'>;
  /** Until when they hold, by digest, the oldest first. */
  readonly #keys = new Map<string, Monotonic>();
  readonly #tokens = new Map<string, Monotonic>();

  constructor(clock: Pick<Clock, 'monotonic'>, random: Pick<Random, 'bytes'>) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A key that opens once within `keyMs`. */
  makeKey(): string {
    return this.#add(this.#keys, keyMs);
  }

  /** Changes a key for a token; undefined for one that is none, any more. */
  open(key: string): string | undefined {
    const digest = digestOf(key);
    const isOpen = this.#holds(this.#keys, digest);
    this.#keys.delete(digest);
    return isOpen ? this.#add(this.#tokens, tokenIdleMs) : undefined;
  }

  /** Whether the token holds; it does for `tokenIdleMs` more then. */
  admits(token: string): boolean {
    const digest = digestOf(token);
    if (!this.#holds(this.#tokens, digest)) return false;
    this.#tokens.delete(digest);
    this.#tokens.set(digest, this.#in(tokenIdleMs));
    return true;
  }

  /** The token holds no more. */
  close(token: string): void {
    this.#tokens.delete(digestOf(token));
  }

  #add(among: Map<string, Monotonic>, ms: number): string {
    const secret = Buffer.from(this.#random.bytes(secretBytes)).toString('base64url');
    const [oldest] = among.keys();
    if (among.size >= heldMax && oldest !== undefined) among.delete(oldest);
    among.set(digestOf(secret), this.#in(ms));
    return secret;
  }

  #holds(among: Map<string, Monotonic>, digest: string): boolean {
    const until = among.get(digest);
    if (until === undefined) return false;
    if (this.#clock.monotonic() < until) return true;
    among.delete(digest);
    return false;
  }

  #in(ms: number): Monotonic {
    return (this.#clock.monotonic() + ms) as Monotonic;
  }
}

/** What is looked up is no secret, so that how long it takes tells nothing of one. */
function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}
