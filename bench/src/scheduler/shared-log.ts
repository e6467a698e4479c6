import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { invariant } from '@shoal/runtime';
import type { Shape } from './world.ts';

/** What one scheduler decided in one step: for each placement the task, its node and the version read. */
export interface Batch {
  readonly from: string;
  readonly taskIds: string[];
  readonly nodeIds: string[];
  readonly versions: number[];
}

/** What a worker begins with. */
export interface Given {
  readonly shape: Shape;
  readonly id: string;
  /** All workers, between which the services are divided. */
  readonly ids: readonly string[];
}

export type Said =
  | { readonly kind: 'ready' }
  | { readonly kind: 'proposes'; readonly batch: Batch }
  /** Its own batch came back and was applied. */
  | { readonly kind: 'applied'; readonly committed: number };

/**
 * Several schedulers over one log, as in production: each in a thread of its own with a state of its
 * own, dividing the services by rendezvous hashing. This thread is the log: it puts the batches in an
 * order and hands each to all, itself doing nothing else. Seconds from the start to the last commit.
 */
export async function measureShared(shape: Shape, workers: number): Promise<number> {
  const ids = Array.from({ length: workers }, (_, at) => `scheduler@node/${at}`);
  const program = new URL('./worker.ts', import.meta.url);
  const threads = ids.map((id) => {
    const given: Given = { shape, id, ids };
    return new Worker(program, { workerData: given });
  });
  try {
    await Promise.all(threads.map((thread) => heard(thread, (said) => said.kind === 'ready')));
    const startedAt = performance.now();
    await scheduled(threads, shape.tasks);
    return (performance.now() - startedAt) / 1_000;
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}

function scheduled(threads: readonly Worker[], tasks: number): Promise<void> {
  let committed = 0;
  return new Promise((resolve, reject) => {
    for (const thread of threads) {
      thread.on('message', (said: Said) => {
        if (said.kind === 'proposes') for (const other of threads) other.postMessage(said.batch);
        if (said.kind !== 'applied') return;
        committed += said.committed;
        invariant(committed <= tasks, 'a task was placed twice', { committed });
        if (committed === tasks) resolve();
      });
      thread.on('error', reject);
      thread.postMessage('go');
    }
  });
}

function heard(thread: Worker, until: (said: Said) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const listener = (said: Said): void => {
      if (!until(said)) return;
      thread.off('message', listener);
      resolve();
    };
    thread.on('message', listener);
    thread.once('error', reject);
  });
}
