import { errorMessage, InvariantError, type Logger } from '@shoal/runtime';
import type { StateMachine } from '../machine.ts';
import type { LogStorage, StoreResult } from '../storage.ts';
import type { SnapshotMeta } from '../types.ts';

/** Takes a leader's snapshot to disk and only then restores it: a crash between finds it on the disk. */
export class Installation {
  readonly #storage: LogStorage;
  readonly #machine: StateMachine;
  readonly #logger: Logger;
  readonly #done: (meta: SnapshotMeta, installed: boolean) => void;
  #running: Promise<void> | undefined;

  constructor(
    parts: { storage: LogStorage; machine: StateMachine; logger: Logger },
    done: (meta: SnapshotMeta, installed: boolean) => void,
  ) {
    this.#storage = parts.storage;
    this.#machine = parts.machine;
    this.#logger = parts.logger;
    this.#done = done;
  }

  start(meta: SnapshotMeta, content: AsyncIterable<Uint8Array> | undefined): void {
    this.#running = this.#install(meta, content).finally(() => {
      this.#running = undefined;
    });
  }

  async finished(): Promise<void> {
    await this.#running;
  }

  async #install(
    meta: SnapshotMeta,
    content: AsyncIterable<Uint8Array> | undefined,
  ): Promise<void> {
    const { index, term } = meta;
    const chunks: Uint8Array[] = [];
    await this.#machine.settle?.();
    const result = content && (await this.#save(meta, keep(content, chunks)));
    if (result?.kind !== 'stored') {
      this.#logger.warn({ index, result }, 'log_install_failed');
      this.#done(meta, false);
      return;
    }
    await this.#machine.restore(keep(chunks, []));
    this.#done(meta, true);
    this.#logger.info({ index, term }, 'log_installed');
  }

  /** The content comes from another voter: that it ends half-way is nothing special. */
  async #save(meta: SnapshotMeta, content: AsyncIterable<Uint8Array>): Promise<StoreResult> {
    try {
      return await this.#storage.saveSnapshot(meta, content, 'replacing');
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown;
      return { kind: 'failed', error: { kind: 'refused', message: errorMessage(thrown) } };
    }
  }
}

async function* keep(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  into: Uint8Array[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    into.push(chunk);
    yield chunk;
  }
}
