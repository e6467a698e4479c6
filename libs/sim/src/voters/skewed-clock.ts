import type { Clock, Instant, Monotonic, Timer } from '@shoal/runtime';

/** A host's clock that runs at its own rate and shows its own time of day. */
export class SkewedClock implements Clock {
  readonly #clock: Clock;
  /** Seconds of this clock in a true second. */
  rate = 1;
  /** Milliseconds ahead of the true time of day. */
  aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): Instant {
    return (this.#clock.now() + this.aheadMs) as Instant;
  }

  monotonic(): Monotonic {
    return this.#clock.monotonic();
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.#clock.after(delayMs / this.rate, fire);
  }
}
