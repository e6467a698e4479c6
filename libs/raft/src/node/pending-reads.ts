import type { Random } from '@shoal/runtime';
import type { ReadOutcome } from '../core/events.ts';
import type { Failure, ReadIndexOutcome } from './outcomes.ts';

type Resolve = (outcome: ReadIndexOutcome) => void;

/** Tokens begin below this; they stay exact numbers for longer than anyone reads. */
const tokensBegin = 2 ** 48;

/** All who ask while a round is under way share the next one. */
export class PendingReads {
  #waiting: Resolve[] = [];
  #round:
    | { readonly token: number; readonly readers: readonly Resolve[]; ticks: number }
    | undefined;
  #token: number;

  /**
   * Tokens count from a place of chance: an answer to what this voter asked before it was restarted may
   * still be on its way, and must not answer what it asks now.
   */
  constructor(random: Random) {
    this.#token = Math.floor(random.next() * tokensBegin);
  }

  get count(): number {
    return this.#waiting.length + (this.#round?.readers.length ?? 0);
  }

  add(): Promise<ReadIndexOutcome> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** Token of the round to ask the core for; `undefined` when none is needed or one is under way. */
  nextRound(): number | undefined {
    if (this.#round !== undefined || this.#waiting.length === 0) return undefined;
    this.#token += 1;
    this.#round = { token: this.#token, readers: this.#waiting, ticks: 0 };
    this.#waiting = [];
    return this.#token;
  }

  /** Late answers to a round that was given up are void. */
  answered(answer: ReadOutcome, unconfirmed: Failure): void {
    const round = this.#round;
    if (round === undefined || round.token !== answer.token) return;
    this.#round = undefined;
    const outcome: ReadIndexOutcome =
      answer.kind === 'confirmed' ? { kind: 'read', index: answer.index } : unconfirmed;
    for (const resolve of round.readers) resolve(outcome);
  }

  /** A round that takes as long as an election may have been lost on its way. */
  tick(ticksMax: number, unconfirmed: Failure): void {
    if (this.#round === undefined) return;
    this.#round.ticks += 1;
    if (this.#round.ticks < ticksMax) return;
    this.answered({ kind: 'failed', token: this.#round.token }, unconfirmed);
  }

  failAll(outcome: Failure): void {
    const readers = [...(this.#round?.readers ?? []), ...this.#waiting];
    this.#round = undefined;
    this.#waiting = [];
    for (const resolve of readers) resolve(outcome);
  }
}
