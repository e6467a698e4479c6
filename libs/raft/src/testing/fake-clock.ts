import { type Clock, type Instant, invariant, type Monotonic } from '@shoal/runtime';

interface FakeTimer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Turns of the microtask queue between two timers: enough for every chain of promises here. */
const turnsBetweenTimers = 50;

/** Time stands still except in {@link FakeClock.advance}. */
export class FakeClock implements Clock {
  #time = 0;
  #order = 0;
  readonly #timers = new Set<FakeTimer>();

  now(): Instant {
    return this.#time as Instant;
  }

  monotonic(): Monotonic {
    return this.#time as Monotonic;
  }

  after(delayMs: number, fire: () => void): { cancel(): void } {
    this.#order += 1;
    const timer = { at: this.#time + Math.max(0, delayMs), order: this.#order, fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Fires what is due within `ms`, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms;
    await settlePromises();
    for (;;) {
      const next = this.#next(end);
      if (next === undefined) break;
      invariant(next.at >= this.#time, 'time runs forward', { at: next.at });
      this.#time = next.at;
      this.#timers.delete(next);
      next.fire();
      await settlePromises();
    }
    this.#time = end;
  }

  /** Advances in steps until the condition holds. */
  async until(condition: () => boolean, msMax: number, stepMs = 10): Promise<void> {
    for (let waited = 0; !condition(); waited += stepMs) {
      invariant(waited < msMax, 'the condition holds in time', { msMax });
      await this.advance(stepMs);
    }
  }

  #next(end: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (
        next === undefined ||
        timer.at < next.at ||
        (timer.at === next.at && timer.order < next.order)
      )
        next = timer;
    }
    return next;
  }
}

export async function settlePromises(): Promise<void> {
  for (let turn = 0; turn < turnsBetweenTimers; turn += 1) await Promise.resolve();
}
