import type { Clock, Timer } from '@shoal/runtime';

/** How long to rest, milliseconds, after having acted so many times in a row; the first time after a rest is 1. */
export type Pace = (inARow: number) => number;

/**
 * Acts when asked, but not more often than its pace allows: at once after a rest, and while it is asked in
 * a row for all who asked meanwhile together.
 */
export class Cadence {
  readonly #clock: Clock;
  readonly #pace: Pace;
  readonly #act: () => void;
  #rest: Timer | undefined;
  #asked = false;
  #inARow = 0;

  constructor(clock: Clock, pace: Pace, act: () => void) {
    this.#clock = clock;
    this.#pace = pace;
    this.#act = act;
  }

  ask(): void {
    this.#asked = true;
    if (this.#rest === undefined) this.#beat();
  }

  stop(): void {
    this.#rest?.cancel();
    this.#asked = false;
  }

  #beat(): void {
    if (!this.#asked) {
      this.#inARow = 0;
      return;
    }
    this.#asked = false;
    this.#inARow += 1;
    this.#rest = this.#clock.after(this.#pace(this.#inARow), () => {
      this.#rest = undefined;
      this.#beat();
    });
    this.#act();
  }
}
