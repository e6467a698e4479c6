import type { Clock, Instant, Monotonic, Timer } from '@shoal/runtime';

interface Pending {
  readonly at: number;
  readonly fire: () => void;
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now: number;
  #pending: Pending[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): Instant {
    return this.#now as Instant;
  }

  monotonic(): Monotonic {
    return this.#now as Monotonic;
  }

  after(delayMs: number, fire: () => void): Timer {
    const pending = { at: this.#now + Math.max(0, delayMs), fire };
    this.#pending.push(pending);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((each) => each !== pending);
      },
    };
  }

  /** Timers that have not fired. */
  get timers(): number {
    return this.#pending.length;
  }

  /** Lets promises settle, then fires what comes due within `durationMs`, one timer after the other. */
  async advance(durationMs: number): Promise<void> {
    const end = this.#now + durationMs;
    await settle();
    for (let next = this.#take(end); next !== undefined; next = this.#take(end)) {
      this.#now = Math.max(this.#now, next.at);
      next.fire();
      await settle();
    }
    this.#now = end;
  }

  #take(end: number): Pending | undefined {
    let first: Pending | undefined;
    for (const each of this.#pending)
      if (each.at <= end && (first === undefined || each.at < first.at)) first = each;
    if (first !== undefined) this.#pending = this.#pending.filter((each) => each !== first);
    return first;
  }
}

/** Resolves when every promise that can settle without a timer has settled. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
