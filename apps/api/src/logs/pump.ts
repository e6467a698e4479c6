import type { Clock } from '@shoal/runtime';

/** Time for followers before other requests have theirs: at most half of all, milliseconds. */
const sliceMs = 4;
const pauseMs = 4;

/** Who has something to write. */
export interface Pumped {
  /** Writes a little; true when there is more at hand. */
  pump(): boolean;
}

/** Lets followers write in turns, a little each, so that no number of them holds up the process. */
export class Pump {
  readonly #clock: Clock;
  readonly #ready = new Set<Pumped>();
  #due = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ready(pumped: Pumped): void {
    this.#ready.add(pumped);
    this.#schedule(0);
  }

  remove(pumped: Pumped): void {
    this.#ready.delete(pumped);
  }

  #schedule(delayMs: number): void {
    if (this.#due || this.#ready.size === 0) return;
    this.#due = true;
    this.#clock.after(delayMs, () => {
      this.#due = false;
      this.#schedule(this.#run() ? 0 : pauseMs);
    });
  }

  /** False when its time was over before all were served. */
  #run(): boolean {
    const begun = this.#clock.monotonic();
    for (const pumped of this.#ready) {
      // Who has more goes to the end of the line.
      this.#ready.delete(pumped);
      if (pumped.pump()) this.#ready.add(pumped);
      if (this.#clock.monotonic() - begun >= sliceMs) return false;
    }
    return true;
  }
}
