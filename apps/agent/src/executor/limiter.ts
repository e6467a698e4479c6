import type { Clock } from '@shoal/runtime';

/** When a work gives its place to another although it is not done. */
export interface Patience {
  readonly clock: Clock;
  readonly msMax: number;
}

/**
 * Lets a bounded number of works run at the same time; the others wait: urgent ones first, then in order.
 * With `patience` it bounds bursts alone: a work that hangs goes on beside the others.
 */
export class Limiter {
  readonly #max: number;
  readonly #patience: Patience | undefined;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #urgent: (() => void)[] = [];

  constructor(max: number, patience?: Patience) {
    this.#max = max;
    this.#patience = patience;
  }

  async run<T>(work: () => Promise<T>, isUrgent = false): Promise<T> {
    if (this.#running >= this.#max) {
      const queue = isUrgent ? this.#urgent : this.#waiting;
      await new Promise<void>((resolve) => queue.push(resolve));
    } else {
      this.#running += 1;
    }
    let hasPlace = true;
    const giveBack = (): void => {
      if (!hasPlace) return;
      hasPlace = false;
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    };
    const timer = this.#patience?.clock.after(this.#patience.msMax, giveBack);
    try {
      return await work();
    } finally {
      timer?.cancel();
      giveBack();
    }
  }
}
