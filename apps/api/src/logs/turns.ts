import type { Clock, Monotonic, Timer } from '@shoal/runtime';

/** Who waits for a turn. */
export interface TurnTaker {
  /** It is its turn, until it gives it back. */
  begin(): void;
  /** Others wait, and it has had the turn for long: it should give it back soon. */
  yield(): void;
}

export interface Turn {
  /** From now on its time counts: what came before was waiting for others. */
  count(): void;
  giveBack(): void;
}

interface Held {
  readonly taker: TurnTaker;
  since: Monotonic | undefined;
}

export interface TurnsOptions {
  /** Turns at the same time. */
  readonly most: number;
  /** Who has had a turn for so long is asked to yield when others wait, milliseconds. */
  readonly sliceMs: number;
  readonly clock: Clock;
  readonly onChange?: (held: number, waiting: number) => void;
}

/** Lets so many work at the same time; the others wait in the order in which they came. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #held = new Set<Held>();
  readonly #waiting = new Set<Held>();
  #timer: Timer | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** `begin` is called after this has returned. */
  take(taker: TurnTaker): Turn {
    const held: Held = { taker, since: undefined };
    this.#waiting.add(held);
    // Never within the caller's own step: what it still has to do comes first.
    queueMicrotask(() => this.#next());
    return {
      count: () => {
        held.since ??= this.#options.clock.monotonic();
      },
      giveBack: () => {
        const had = this.#held.delete(held) || this.#waiting.delete(held);
        if (had) this.#next();
      },
    };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.clear();
    this.#held.clear();
  }

  #next(): void {
    const begun: Held[] = [];
    for (const held of this.#waiting) {
      if (this.#held.size >= this.#options.most) break;
      this.#waiting.delete(held);
      this.#held.add(held);
      begun.push(held);
    }
    this.#options.onChange?.(this.#held.size, this.#waiting.size);
    this.#watch();
    for (const held of begun) if (this.#held.has(held)) held.taker.begin();
  }

  #watch(): void {
    const { sliceMs, clock } = this.#options;
    if (this.#waiting.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    this.#timer ??= clock.after(sliceMs, () => {
      this.#timer = undefined;
      this.#askToYield();
      this.#watch();
    });
  }

  #askToYield(): void {
    const { sliceMs, clock } = this.#options;
    const now = clock.monotonic();
    let wanted = this.#waiting.size;
    for (const { since, taker } of [...this.#held]) {
      if (wanted === 0) return;
      if (since === undefined || now - since < sliceMs) continue;
      wanted -= 1;
      taker.yield();
    }
  }
}
