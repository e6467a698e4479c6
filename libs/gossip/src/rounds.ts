import type { Clock, Random, Timer } from '@shoal/runtime';
import { gossipEveryMs, paceShare } from './limits.ts';

interface RoundsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly hasNews: () => boolean;
  readonly tell: () => void;
}

/** Rounds of gossip: the first comes soon after there is news, others at their pace until there is none. */
export class Rounds {
  readonly #options: RoundsOptions;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** There may be news. */
  wake(share = 0): void {
    const { clock, random, hasNews, tell } = this.#options;
    if (this.#stopped || this.#timer !== undefined || !hasNews()) return;
    const delayMs = gossipEveryMs * (share + (1 - share) * random.next());
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      tell();
      this.wake(paceShare);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }
}
