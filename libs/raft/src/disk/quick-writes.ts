import type { Clock, Monotonic } from '@shoal/runtime';

/** Larger writes carry many proposals already, and more come while they last: they may wait. */
export const quickBytesMax = 4 * 1024;
/** A disk whose small writes take longer on average must not hold up this thread, milliseconds. */
export const quickMsMax = 1;
/** One write that takes so long says that the disk is not what it was, milliseconds. */
export const stallMs = 20;
/** Small writes that must have been seen before the thread waits for one itself, also after a stall. */
export const quickSeenMin = 32;
/** Weight of the newest write in the average. */
const newestWeight = 1 / 16;

/**
 * Whether a small write is made on the calling thread: handing it to another one and hearing back makes it
 * a third longer on a fast disk (0.25 ms for 0.18). The average decides, because even a fast disk takes a
 * few milliseconds now and then; one stall, and the disk has to prove itself again.
 */
export class QuickWrites {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #seen = 0;
  #meanMs = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  allows(bytes: number): boolean {
    return bytes <= quickBytesMax && this.#seen >= quickSeenMin && this.#meanMs <= quickMsMax;
  }

  begin(): Monotonic {
    return this.#clock.monotonic();
  }

  ended(bytes: number, begun: Monotonic): void {
    if (bytes > quickBytesMax) return;
    const tookMs = this.#clock.monotonic() - begun;
    if (tookMs >= stallMs) {
      this.#seen = 0;
      return;
    }
    // The first of a row counts whole, so that what was before is forgotten.
    this.#meanMs += (tookMs - this.#meanMs) * (this.#seen === 0 ? 1 : newestWeight);
    this.#seen = Math.min(this.#seen + 1, quickSeenMin);
  }
}
