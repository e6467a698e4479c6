import { Worker } from 'node:worker_threads';
import { errorMessage } from '@shoal/runtime';
import type { VotersOutcome } from './index.ts';

export interface SeedOutcome {
  readonly seed: number;
  readonly outcome: VotersOutcome;
}

const url = new URL('./seed-thread.ts', import.meta.url);

/** Runs the seeds on so many threads; `heard` gets each outcome, in any order, and may say "no more". */
export async function runSeeds(
  seeds: Iterator<number>,
  threads: number,
  heard: (outcome: SeedOutcome) => 'go-on' | 'stop',
): Promise<void> {
  let stopped = false;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const thread = new Worker(url, { execArgv: ['--conditions=@shoal/source'] });
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
      thread.on('message', (outcome: SeedOutcome) => {
        if (heard(outcome) === 'stop') stopped = true;
        next();
      });
      thread.on('error', (error) => reject(new Error(`seed=${seed}: ${errorMessage(error)}`)));
      next();
    });
  await Promise.all(Array.from({ length: threads }, one));
}
