export interface BucketSize {
  /** What may be taken at once after a rest. */
  readonly most: number;
  /** What comes back in a second. */
  readonly perSecond: number;
}

const msPerSecond = 1_000;

/** Bounds a rate. Whoever takes more than there is waits until it is paid back. */
export class TokenBucket {
  readonly #size: BucketSize;
  #tokens: number;
  #at: number | undefined;

  constructor(size: BucketSize) {
    this.#size = size;
    this.#tokens = size.most;
  }

  /** Takes `count` and gives how long to wait before using them, milliseconds. `now` must not run backwards. */
  take(count: number, now: number): number {
    const { most, perSecond } = this.#size;
    const grown = ((now - (this.#at ?? now)) * perSecond) / msPerSecond;
    this.#at = now;
    this.#tokens = Math.min(most, this.#tokens + grown) - count;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * msPerSecond) / perSecond;
  }
}
