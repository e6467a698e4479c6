import type { Clock } from '@shoal/runtime';

/** Resolves with `work`, or after `ms` at the latest; tells whether the work was done. */
export function doneWithin(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, () => resolve(false));
    const done = (ok: boolean): void => {
      timer.cancel();
      resolve(ok);
    };
    work.then(
      () => done(true),
      () => done(false),
    );
  });
}

/** Callers that each wait until a condition of their own holds. */
export class Waiters {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it holds, or after `ms` at the latest. Looked at with each {@link wake}. */
  async until(holds: () => boolean, ms: number): Promise<void> {
    const end = this.#clock.monotonic() + ms;
    while (!holds()) {
      const left = end - this.#clock.monotonic();
      if (left <= 0) return;
      const changed = new Promise<void>((resolve) => this.#waiting.add(resolve));
      if (!(await doneWithin(this.#clock, left, changed))) return;
    }
  }

  wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
