import { performance } from 'node:perf_hooks';
import { pause, systemClock } from '@shoal/runtime';
import { quantile } from './quantile.ts';

/** What one side did in one run. */
export interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One write of proposer `number`; resolves when it is acknowledged. */
export type Write = (number: number) => Promise<void>;

const warmMs = 700;

/** `proposers` that each write, wait for the acknowledgement, and write again, for `durationMs`. */
export async function closedLoop(
  proposers: number,
  durationMs: number,
  write: Write,
): Promise<Rate> {
  const waits: number[] = [];
  let phase: 'warm' | 'measured' | 'over' = 'warm';
  const propose = async (number: number): Promise<void> => {
    while (phase !== 'over') {
      const begin = performance.now();
      await write(number);
      if (phase === 'measured') waits.push(performance.now() - begin);
    }
  };
  const all = Promise.all(Array.from({ length: proposers }, (_, number) => propose(number)));
  // A write that fails ends the run at once.
  await Promise.race([wait(warmMs), all]);
  phase = 'measured';
  const begin = performance.now();
  await Promise.race([wait(durationMs), all]);
  const seconds = (performance.now() - begin) / 1000;
  phase = 'over';
  const perSecond = waits.length / seconds;
  await all;
  waits.sort((a, b) => a - b);
  return { perSecond, p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99) };
}

function wait(ms: number): Promise<void> {
  return pause(systemClock, ms);
}
