import type { Clock, Instant, Monotonic } from '@shoal/runtime';

/** How much the log's time goes on in a millisecond while it is ahead of the clock, milliseconds. */
const aheadRate = 1 / 2;

/**
 * The time by which entries are stamped and stages reckon: that of the wall clock, and never before the newest stamp,
 * because objects are ordered by their stamps. Where a clock was ahead and has been set right, the log's time
 * goes on at half speed until the clock has caught up, as adjtime(3) does it: what waits for a time waits up to twice
 * as long, but not as long as the clock was wrong.
 */
export class LogClock {
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  #newest: Instant;
  #since: Monotonic;

  /** `newest`: stamp of the newest entry; 0 before the first. */
  constructor(clock: Pick<Clock, 'now' | 'monotonic'>, newest: Instant) {
    this.#clock = clock;
    this.#newest = newest;
    this.#since = clock.monotonic();
  }

  now(): Instant {
    return Math.max(this.#clock.now(), this.#atLeast()) as Instant;
  }

  /** Who gives stamps has given this one, or it went by: none that follows may be before it. */
  passed(stamp: Instant): void {
    if (stamp > this.#atLeast()) this.follow(stamp);
  }

  /** Who reckons by stamps has seen this one: an entry's clock is right, also where it is behind. */
  follow(stamp: Instant): void {
    this.#newest = stamp;
    this.#since = this.#clock.monotonic();
  }

  #atLeast(): number {
    const passedMs = Math.max(0, this.#clock.monotonic() - this.#since);
    return this.#newest + Math.floor(passedMs * aheadRate);
  }
}
