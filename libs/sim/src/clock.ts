import { type Clock, type Instant, invariant, type Monotonic, type Timer } from '@shoal/runtime';

interface Pending {
  readonly at: number;
  /** Breaks ties: what was asked for first fires first. */
  readonly sequence: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Simulated time: it moves only from one due timer to the next, and every run of a seed is the same. */
export class SimulatedClock implements Clock {
  readonly #heap: Pending[] = [];
  readonly #epoch: number;
  #elapsed = 0;
  #sequence = 0;

  constructor(epoch: Instant) {
    this.#epoch = epoch;
  }

  now(): Instant {
    return Math.floor(this.#epoch + this.#elapsed) as Instant;
  }

  monotonic(): Monotonic {
    return this.#elapsed as Monotonic;
  }

  after(delayMs: number, fire: () => void): Timer {
    const pending: Pending = {
      at: this.#elapsed + Math.max(0, delayMs),
      sequence: this.#sequence++,
      fire,
      cancelled: false,
    };
    this.#push(pending);
    return {
      cancel: () => {
        pending.cancelled = true;
      },
    };
  }

  /**
   * Fires everything due within `durationMs`, letting promises settle after each timer. Stops early,
   * and returns true, once `until` holds.
   */
  async run(durationMs: number, until: () => boolean = () => false): Promise<boolean> {
    const end = this.#elapsed + durationMs;
    await settle();
    while (!until()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) {
        this.#elapsed = end;
        return until();
      }
      this.#pop();
      if (next.cancelled) continue;
      invariant(next.at >= this.#elapsed, 'simulated time went back', { at: next.at });
      this.#elapsed = next.at;
      next.fire();
      await settle();
    }
    return true;
  }

  #push(pending: Pending): void {
    const heap = this.#heap;
    let at = heap.push(pending) - 1;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || !isSooner(pending, parent)) break;
      heap[at] = parent;
      heap[parentAt] = pending;
      at = parentAt;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const childAt =
        right !== undefined && left !== undefined && isSooner(right, left)
          ? 2 * at + 2
          : 2 * at + 1;
      const child = heap[childAt];
      if (child === undefined || !isSooner(child, last)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
  }
}

function isSooner(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** All promises that depend on nothing but each other are settled when the next macrotask runs. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
