import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import type { LogStorage, StorageError } from '../storage.ts';
import type { RaftOptions } from './options.ts';

/** Knows whether the disk takes writes, and tries it with growing pauses while it does not. */
export class StorageHealth {
  readonly #storage: LogStorage;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #options: RaftOptions;
  readonly #cured: () => void;
  #error: StorageError | undefined;
  #timer: Timer | undefined;
  #pauseMs: number;
  #stopped = false;

  constructor(
    parts: { storage: LogStorage; clock: Clock; logger: Logger; options: RaftOptions },
    cured: () => void,
  ) {
    this.#storage = parts.storage;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#options = parts.options;
    this.#cured = cured;
    this.#pauseMs = parts.options.probeMs;
  }

  /** Why writes are refused, while they are. */
  get error(): StorageError | undefined {
    return this.#error;
  }

  refused(error: StorageError): void {
    this.#error = error;
    this.#logger.error({ ...error }, 'log_storage_refused');
    // A damaged file does not heal: a person must look at it.
    if (error.kind === 'refused') this.#probeLater();
  }

  /** A write got through: the next refusal starts with a short pause again. */
  stored(): void {
    this.#pauseMs = this.#options.probeMs;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #probeLater(): void {
    if (this.#stopped) return;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, this.#options.probeMsMax);
    this.#timer = this.#clock.after(pauseMs, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const works = await this.#storage.probe().catch((thrown: unknown) => {
      this.#logger.warn({ reason: errorMessage(thrown) }, 'log_storage_probe_failed');
      return false;
    });
    if (this.#stopped) return;
    if (!works) {
      this.#probeLater();
      return;
    }
    this.#error = undefined;
    this.#logger.info({}, 'log_storage_cured');
    this.#cured();
  }
}
