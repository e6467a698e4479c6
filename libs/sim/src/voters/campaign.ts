import { Worker } from 'node:worker_threads';
import { errorMessage } from '@shoal/runtime';
import type { VotersOutcome } from './index.ts';

export interface SeedOutcome<Outcome = VotersOutcome> {
  readonly seed: number;
  readonly outcome: Outcome;
}

const url = new URL('./seed-thread.ts', import.meta.url);

/**
 * Runs the seeds on so many threads; `heard` gets each outcome, in any order, and may say "no more".
 * A thread of another simulation answers a seed with its {@link SeedOutcome}.
 */
export async function runSeeds<Outcome = VotersOutcome>(
  seeds: Iterator<number>,
  threads: number,
  heard: (outcome: SeedOutcome<Outcome>) => 'go-on' | 'stop',
  threadUrl: URL = url,
): Promise<void> {
  let stopped = false;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const thread = new Worker(threadUrl, { execArgv: ['--conditions=@shoal/source'] });
      let seed = 0;
      const next = (): void => {
        const { done, value } = stopped ? { done: true, value: 0 } : seeds.next();
        if (done === true) {
          void thread.terminate().then(() => resolve());
          return;
        }
        seed = value;
        thread.postMessage(value);
      };
      thread.on('message', (outcome: SeedOutcome<Outcome>) => {
        if (heard(outcome) === 'stop') stopped = true;
        next();
      });
      thread.on('error', (error) => reject(new Error(`seed=${seed}: ${errorMessage(error)}`)));
      next();
    });
  await Promise.all(Array.from({ length: threads }, one));
}
