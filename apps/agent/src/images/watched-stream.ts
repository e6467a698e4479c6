import { Transform, type TransformCallback } from 'node:stream';
import type { Clock, Timer } from '@shoal/runtime';

export interface WatchOptions {
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  /** The stream fails after so long without a byte, milliseconds. */
  readonly stallMsMax: number;
  /** It fails after so long without its first byte, where that takes longer, milliseconds. */
  readonly firstMsMax?: number;
  /** Told the bytes that are about to pass; gives how long they have to wait, milliseconds. */
  readonly passing: (bytes: number) => number;
}

/** Lets bytes through at a pace, and fails when none come or go any more. */
export class WatchedStream extends Transform {
  readonly #options: WatchOptions;
  #movedAt: number;
  #waitMsMax: number;
  #stalled: Timer;
  #held: Timer | undefined;

  constructor(options: WatchOptions) {
    super();
    this.#options = options;
    const { clock, stallMsMax, firstMsMax = stallMsMax } = options;
    this.#movedAt = clock.monotonic();
    this.#waitMsMax = firstMsMax;
    this.#stalled = this.#look(firstMsMax);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { clock, passing, stallMsMax } = this.#options;
    if (this.#waitMsMax !== stallMsMax) {
      this.#waitMsMax = stallMsMax;
      this.#stalled.cancel();
      this.#stalled = this.#look(stallMsMax);
    }
    const waitMs = passing(chunk.length);
    const pass = (): void => {
      this.#movedAt = clock.monotonic();
      done(null, chunk);
    };
    if (waitMs <= 0) pass();
    else this.#held = clock.after(waitMs, pass);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stalled.cancel();
    this.#held?.cancel();
    done(error);
  }

  #look(afterMs: number): Timer {
    const { clock } = this.#options;
    return clock.after(afterMs, () => {
      const idleMs = clock.monotonic() - this.#movedAt;
      if (idleMs < this.#waitMsMax) this.#stalled = this.#look(this.#waitMsMax - idleMs);
      else this.destroy(new Error(`nothing has moved for ${Math.round(idleMs / 1_000)} s`));
    });
  }
}
