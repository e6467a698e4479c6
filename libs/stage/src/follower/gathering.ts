import type { Clock, Timer } from '@shoal/runtime';
import type { Part } from './proposals.ts';

/** Longest wait of what is proposed for what is under way, milliseconds. */
export const gatherMsMax = 20;
/** Turns of the event loop that who follows on many others waits for more, and most of them while more comes. */
export const turnsMin = 3;
export const turnsMax = 20;

/** Calls back when the event loop has looked once more at what has arrived; never synchronously. */
export type NextTurn = (act: () => void) => void;

export interface GatheringOptions {
  readonly clock: Clock;
  readonly nextTurn: NextTurn;
  /** Proposals that wait. */
  readonly waiting: () => number;
  /** Called when they are to go. */
  readonly go: () => void;
}

/**
 * Lets proposals gather, so that many at once cost few messages, entries and durable writes; one that comes alone
 * waits for nobody. While a message is under way, what comes goes together in the next one, as Nagle's algorithm
 * does with bytes (RFC 896). Those whose proposals were answered together are likely to come back together: they
 * are waited for as long as each turn of the event loop brings more. For who hears at once what was committed.
 */
export class Gathering {
  readonly #options: GatheringOptions;
  #underWay: readonly Part[] = [];
  /** Proposals of the last message. */
  #lastCount = 0;
  #patience: Timer | undefined;
  #patienceOver = false;
  #turning = false;
  #lettingGo = false;

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  /** Whether what waits is to go on waiting; then `go` is called in time. */
  holdBack(): boolean {
    if (this.#lettingGo) return false;
    if (this.#underWay.some(({ proposal }) => !proposal.done)) {
      // Where the connection has no room, what was let go comes back here when it has.
      if (this.#patienceOver) return false;
      this.#patience ??= this.#options.clock.after(gatherMsMax, () => {
        this.#patienceOver = true;
        this.#letGo();
      });
      return true;
    }
    this.over();
    if (this.#lastCount <= 1) return false;
    if (!this.#turning) this.#awaitMore();
    return true;
  }

  /** A message with these parts has left. */
  sent(parts: readonly Part[]): void {
    this.over();
    this.#underWay = parts;
    this.#lastCount = parts.length;
  }

  /** The log has said what it did with these. */
  answered(parts: readonly Part[]): void {
    if (parts === this.#underWay) this.over();
  }

  /** What is under way need not be waited for any more. */
  over(): void {
    this.#underWay = [];
    this.#patience?.cancel();
    this.#patience = undefined;
    this.#patienceOver = false;
  }

  #awaitMore(): void {
    const { nextTurn, waiting } = this.#options;
    let turns = 0;
    let before = 0;
    const turn = (): void => {
      turns += 1;
      const comesMore = waiting() > before;
      before = waiting();
      if (turns < turnsMin || (comesMore && turns < turnsMax)) nextTurn(turn);
      else this.#letGo();
    };
    this.#turning = true;
    nextTurn(turn);
  }

  #letGo(): void {
    this.#turning = false;
    this.#lettingGo = true;
    this.#options.go();
    this.#lettingGo = false;
  }
}
