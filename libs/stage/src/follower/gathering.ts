import type { Clock, Timer } from '@shoal/runtime';
import type { Part } from './proposals.ts';

/** Longest wait of what is proposed for what is under way, milliseconds. */
export const gatherMsMax = 20;

/**
 * Lets proposals gather while a message with others is under way, so that they go together in the next one, as
 * Nagle's algorithm does with bytes (RFC 896): one that comes alone waits for nobody, and many at once cost few
 * messages, entries and durable writes. For who hears at once what was committed.
 */
export class Gathering {
  readonly #clock: Clock;
  readonly #go: () => void;
  #underWay: readonly Part[] = [];
  #patience: Timer | undefined;

  /** `go` is called when what waits should wait no longer. */
  constructor(clock: Clock, go: () => void) {
    this.#clock = clock;
    this.#go = go;
  }

  /** Whether what is proposed now should wait; until `gatherMsMax` at most. */
  get holds(): boolean {
    if (this.#underWay.every(({ proposal }) => proposal.done)) {
      this.over();
      return false;
    }
    this.#patience ??= this.#clock.after(gatherMsMax, () => {
      this.over();
      this.#go();
    });
    return true;
  }

  /** A message with these parts has left. */
  sent(parts: readonly Part[]): void {
    this.over();
    this.#underWay = parts;
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
  }
}
