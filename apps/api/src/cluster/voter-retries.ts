import type { Monotonic } from '@shoal/runtime';

/** Pause after a second failure in a row, milliseconds; each further one doubles it. */
export const retryMsFirst = 1_000;
export const retryMsMax = 15_000;
/** A voter that lasted this much longer than the last pause was well, milliseconds. */
export const calmMs = 60_000;

/** When a voter that failed is tried again: the first time at once, then ever more rarely. */
export class VoterRetries {
  #failedAt: Monotonic | undefined;
  #pauseMs = 0;

  /** It failed. Returns the pause before it is tried again, milliseconds. */
  failed(now: Monotonic): number {
    const calmAfter = this.#pauseMs + calmMs;
    const isFirst = this.#failedAt === undefined || now - this.#failedAt > calmAfter;
    this.#failedAt = now;
    if (isFirst) this.#pauseMs = 0;
    else this.#pauseMs = Math.min(retryMsMax, Math.max(retryMsFirst, this.#pauseMs * 2));
    return this.#pauseMs;
  }

  /** Somebody has changed what it depends on. */
  forget(): void {
    this.#failedAt = undefined;
    this.#pauseMs = 0;
  }
}
