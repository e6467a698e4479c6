import type { Clock, Logger, Timer } from '@shoal/runtime';

export interface KeeperOptions {
  readonly name: string;
  /** How often it looks when nothing wakes it, milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One look, and what follows from it. What it throws is logged, and the next look tries again. */
  readonly look: () => Promise<void>;
}

/** Looks again and again, one look at a time, until it is stopped. */
export class Keeper {
  readonly #options: KeeperOptions;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#arm(0);
  }

  /** Something may have changed. */
  wake(): void {
    if (this.#looking === undefined) this.#arm(0);
    else this.#again = true;
  }

  /** Resolves when a look under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#looking;
  }

  #arm(ms: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(ms, () => {
      this.#looking = this.#look();
    });
  }

  async #look(): Promise<void> {
    const { name, look, logger, everyMs } = this.#options;
    try {
      await look();
    } catch (error) {
      logger.error({ error, keeper: name }, 'keeper_failed');
    }
    this.#looking = undefined;
    const soon = this.#again;
    this.#again = false;
    this.#arm(soon ? 0 : everyMs);
  }
}
