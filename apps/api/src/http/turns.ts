import { ApiError } from '@shoal/docker-api';

/** Pieces of long work that wait for their turn; more are refused. */
export const waitingMax = 1_024;

/**
 * Long work, a piece at a time: one piece in each round of the event loop, so that everything else that has come
 * in meanwhile is served between two of them, however many answers are being made.
 */
export class Turns {
  #waiting: (() => void)[] = [];
  #scheduled = false;

  /** Runs `piece` when its turn comes; it must not throw. @throws ApiError 503 when too much waits */
  next(piece: () => void): void {
    if (this.#waiting.length >= waitingMax)
      throw new ApiError(503, 'this manager is making too many long lists: try again soon');
    this.#waiting.push(piece);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const piece = this.#waiting.shift();
      if (this.#waiting.length > 0) this.#schedule();
      piece?.();
    });
  }
}
