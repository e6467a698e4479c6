import type { Clock, Instant, Monotonic, Timer } from '@shoal/runtime';

/** A host's clock that runs at its own rate and shows its own time of day. */
export class SkewedClock implements Clock {
  readonly #clock: Clock;
  #rate = 1;
  /** Where this clock and the true one stood when the rate last changed. */
  #since = { shown: 0, truly: 0 };
  /** Milliseconds ahead of the true time of day. */
  aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Seconds of this clock in a true second. */
  set rate(rate: number) {
    this.#since = { shown: this.monotonic(), truly: this.#clock.monotonic() };
    this.#rate = rate;
  }

  now(): Instant {
    return (this.#clock.now() + this.aheadMs) as Instant;
  }

  monotonic(): Monotonic {
    const { shown, truly } = this.#since;
    return (shown + (this.#clock.monotonic() - truly) * this.#rate) as Monotonic;
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.#clock.after(delayMs / this.#rate, fire);
  }
}
