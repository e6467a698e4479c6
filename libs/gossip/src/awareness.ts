import { awarenessMax } from './limits.ts';

/**
 * Local health (Lifeguard, section 4.1): a host whose own probes go wrong has reason to doubt itself, and
 * gives the others more time.
 */
export class Awareness {
  #score = 0;

  /** 0 is healthy. */
  get score(): number {
    return this.#score;
  }

  note(change: number): void {
    this.#score = Math.min(awarenessMax - 1, Math.max(0, this.#score + change));
  }

  /** A timeout as this host should use it, milliseconds. */
  stretch(ms: number): number {
    return ms * (this.#score + 1);
  }
}
