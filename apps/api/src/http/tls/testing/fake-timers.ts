import { type Clock, systemClock } from '@shoal/runtime';

/** Time passes for each timer when the test says so. */
export class FakeTimers {
  #waiting: { readonly delayMs: number; readonly fire: () => void }[] = [];

  readonly clock: Clock = {
    ...systemClock,
    after: (delayMs, fire) => {
      const timer = { delayMs, fire };
      this.#waiting.push(timer);
      return {
        cancel: () => {
          this.#waiting = this.#waiting.filter((other) => other !== timer);
        },
      };
    },
  };

  /** The delays of those that wait, in milliseconds. */
  get delays(): readonly number[] {
    return this.#waiting.map(({ delayMs }) => delayMs);
  }

  /** Those of this delay fire. */
  pass(delayMs: number): void {
    const due = this.#waiting.filter((timer) => timer.delayMs === delayMs);
    this.#waiting = this.#waiting.filter((timer) => timer.delayMs !== delayMs);
    for (const { fire } of due) fire();
  }
}
