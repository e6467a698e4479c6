import type { Monotonic } from '@shoal/runtime';
import { givenUpAfterMs, retryMs } from './limits.ts';

/** How often and how long in a row a node's log could not be read. */
export class ReadFailures {
  #count = 0;
  #since: Monotonic | undefined;

  /** What failed works again. */
  end(): void {
    this.#count = 0;
    this.#since = undefined;
  }

  /** One more: whether it has been going on for long, and the pause before the next try, milliseconds. */
  add(now: Monotonic): { readonly isLong: boolean; readonly delayMs: number } {
    this.#since ??= now;
    const delayMs = Math.min(retryMs.most, retryMs.first * 2 ** this.#count);
    this.#count += 1;
    return { isLong: now - this.#since >= givenUpAfterMs, delayMs };
  }
}
