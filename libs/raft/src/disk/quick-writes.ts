import type { Clock, Monotonic } from '@shoal/runtime';

/** Larger writes carry many proposals already, and more come while they last: they may wait. */
export const quickBytesMax = 4 * 1024;
/** A disk whose small writes take longer must not hold up this thread, milliseconds. */
export const quickMsMax = 1;
/** Small writes in a row that must have been quick before the thread waits for one itself. */
export const quickInRowMin = 32;

/**
 * Whether a small write is made on the calling thread: handing it to another one and hearing back makes it
 * a third longer on a fast disk (0.25 ms for 0.18). One slow write, and the disk has to prove itself again.
 */
export class QuickWrites {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #inRow = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  allows(bytes: number): boolean {
    return bytes <= quickBytesMax && this.#inRow >= quickInRowMin;
  }

  begin(): Monotonic {
    return this.#clock.monotonic();
  }

  ended(bytes: number, begun: Monotonic): void {
    if (bytes > quickBytesMax) return;
    this.#inRow = this.#clock.monotonic() - begun <= quickMsMax ? this.#inRow + 1 : 0;
  }
}
