import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { invariant } from '@shoal/runtime';
import type { Measured } from './alone.ts';
import type { Shape } from './world.ts';

/** Who a worker is. */
export interface Given {
  readonly id: string;
  /** All workers, between which the services are divided. */
  readonly ids: readonly string[];
}

/** What a worker hears: a world to make, that it may begin, or an entry of the log. */
export type Heard =
  | { readonly kind: 'world'; readonly shape: Shape }
  | { readonly kind: 'go' }
  | { readonly kind: 'entry'; readonly from: string; readonly bytes: Uint8Array };

export type Said =
  | { readonly kind: 'ready' }
  /** What one step decided, as `encodeBatch` makes it. */
  | { readonly kind: 'proposes'; readonly from: string; readonly bytes: Uint8Array }
  /** Its own proposal came back and was applied. */
  | { readonly kind: 'applied'; readonly committed: number };

/**
 * Several schedulers over one log, as in production: each in a thread of its own with a state of its
 * own, dividing the services by rendezvous hashing. This thread is the log: it puts what they propose in
 * an order and hands each entry to all, unread.
 */
export class SharedLog {
  readonly #threads: readonly Worker[];

  private constructor(threads: readonly Worker[]) {
    this.#threads = threads;
  }

  static async start(workers: number): Promise<SharedLog> {
    const ids = Array.from({ length: workers }, (_, at) => `scheduler@node/${at}`);
    const program = new URL('./worker.ts', import.meta.url);
    const threads = ids.map((id) => {
      const workerData: Given = { id, ids };
      return new Worker(program, { workerData });
    });
    const log = new SharedLog(threads);
    await log.#allReady();
    return log;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  /** From the start to the last commit. What it costs in CPU is that of all threads. */
  async measure(shape: Shape): Promise<Omit<Measured, 'stepSeconds'>> {
    const ready = this.#allReady();
    this.#tell({ kind: 'world', shape });
    await ready;
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    await this.#scheduled(shape.tasks);
    const seconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    return { seconds, cpuSeconds: (user + system) / 1e6 };
  }

  #scheduled(tasks: number): Promise<void> {
    let committed = 0;
    const done = this.#listen((said) => {
      if (said.kind === 'proposes') this.#tell({ ...said, kind: 'entry' });
      if (said.kind !== 'applied') return false;
      committed += said.committed;
      invariant(committed <= tasks, 'a task was placed twice', { committed });
      return committed === tasks;
    });
    this.#tell({ kind: 'go' });
    return done;
  }

  #allReady(): Promise<void> {
    let ready = 0;
    return this.#listen((said) => {
      if (said.kind === 'ready') ready += 1;
      return ready === this.#threads.length;
    });
  }

  #tell(message: Heard): void {
    for (const thread of this.#threads) thread.postMessage(message);
  }

  /** Hands all that the threads say to `listener`, until it answers true. */
  #listen(listener: (said: Said) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const heard = (said: Said): void => {
        try {
          if (listener(said)) settle(resolve);
        } catch (error) {
          failed(error);
        }
      };
      const failed = (error: unknown): void => settle(() => reject(error));
      const settle = (how: () => void): void => {
        for (const thread of this.#threads) thread.off('message', heard).off('error', failed);
        how();
      };
      for (const thread of this.#threads) thread.on('message', heard).on('error', failed);
    });
  }
}
