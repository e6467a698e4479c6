import type { Clock, Timer } from '@shoal/runtime';

/**
 * Acts when asked, but not more often than every `everyMs`: at once after a rest, and while it is asked in
 * a row for all who asked meanwhile together.
 */
export class Cadence {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #act: () => void;
  #rest: Timer | undefined;
  #asked = false;

  constructor(clock: Clock, everyMs: number, act: () => void) {
    this.#clock = clock;
    this.#everyMs = everyMs;
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
    if (!this.#asked) return;
    this.#asked = false;
    this.#rest = this.#clock.after(this.#everyMs, () => {
      this.#rest = undefined;
      this.#beat();
    });
    this.#act();
  }
}
