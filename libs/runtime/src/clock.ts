import type { Instant, Monotonic } from './brand.ts';

/** A timer that has not fired can be cancelled; cancelling a fired one does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time as the outside hands it in. The production one is `systemClock`; simulations drive their own. */
export interface Clock {
  /** Wall-clock time, for what people read and for deadlines that outlive a process. */
  now(): Instant;
  /** Monotonic time, for measuring durations. */
  monotonic(): Monotonic;
  /** Calls `fire` once, after `delayMs` (0 = soon, never synchronously). */
  after(delayMs: number, fire: () => void): Timer;
}

/** Longest delay that Node's timers keep exact; longer ones are re-armed in steps. */
const timerDelayMsMax = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now() as Instant,
  monotonic: () => performance.now() as Monotonic,
  after(delayMs, fire) {
    let left = Math.max(0, delayMs);
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const step = Math.min(left, timerDelayMsMax);
      left -= step;
      handle = setTimeout(() => (left > 0 ? arm() : fire()), step);
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** The time so many milliseconds after another one; before it, when they are negative. */
export function later<T extends Instant | Monotonic>(from: T, ms: number): T {
  return (from + ms) as T;
}
