import { type Clock, errorMessage, type Random, type Timer } from '@shoal/runtime';
import { Backoff } from '../backoff.ts';

/**
 * Bounds of the pause. The voter is mostly that of the own host, started again within a second; to ask
 * a dead port twice a second costs nothing.
 */
const reconnectFirstMs = 50;
const reconnectMostMs = 500;
/** A stream that stood this long was a good one, though nothing may have gone over it; milliseconds. */
const longEnoughMs = 5_000;

/** One attempt at a stream. */
export interface Attempt {
  /** Ends the stream; `down` may still be called, and is then ignored. */
  close(): void;
}

/**
 * Keeps one stream open: starts the next attempt a growing, partly random pause after the last
 * went down.
 */
export class Reconnecting {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #open: (down: (reason: string) => void) => Attempt;
  readonly #onDown: (reason: string, delayMs: number) => void;
  #attempt: Attempt | undefined;
  #startedAt = 0;
  #number = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    /** Starts an attempt; it calls `down` once when the stream has ended, never synchronously. */
    readonly open: (down: (reason: string) => void) => Attempt;
    readonly onDown: (reason: string, delayMs: number) => void;
  }) {
    this.#clock = options.clock;
    this.#backoff = new Backoff(options.random, reconnectFirstMs, reconnectMostMs);
    this.#open = options.open;
    this.#onDown = options.onDown;
  }

  start(): void {
    if (this.#stopped || this.#attempt !== undefined) return;
    const number = ++this.#number;
    this.#startedAt = this.#clock.monotonic();
    try {
      this.#attempt = this.#open((reason) => {
        if (number === this.#number) this.#went(reason);
      });
    } catch (error) {
      // A client that was closed throws; the next attempt may have another.
      this.#went(errorMessage(error));
    }
  }

  /** The stream works: the next pause is a short one again. */
  healthy(): void {
    this.#backoff.reset();
  }

  /** Ends the current stream and opens another after a pause. */
  restart(reason: string): void {
    if (this.#attempt === undefined) return;
    const attempt = this.#attempt;
    this.#number += 1;
    attempt.close();
    this.#went(reason);
  }

  stop(): void {
    this.#stopped = true;
    this.#number += 1;
    this.#timer?.cancel();
    this.#attempt?.close();
    this.#attempt = undefined;
  }

  #went(reason: string): void {
    if (this.#stopped) return;
    this.#attempt = undefined;
    const lastedMs = this.#clock.monotonic() - this.#startedAt;
    if (lastedMs >= longEnoughMs) this.#backoff.reset();
    const delayMs = Math.round(this.#backoff.next());
    this.#timer = this.#clock.after(delayMs, () => this.start());
    this.#onDown(reason, delayMs);
  }
}
