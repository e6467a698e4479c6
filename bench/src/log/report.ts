import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CommitRate, commitRate } from './commit-rate.ts';
import { flushRate } from './flush-rate.ts';

export interface LogResult {
  /** 4 KiB writes with fdatasync per second, the better of one before and one after. */
  readonly flushesPerSecond: number;
  readonly rates: readonly CommitRate[];
}

/** Commits per second beside what the disk can do, in one run. */
export async function measureLog(): Promise<LogResult> {
  // Not under /tmp, which may be memory: the disk is the point.
  const directory = mkdtempSync(join(process.cwd(), '.bench-'));
  try {
    const before = flushRate(directory);
    const rates: CommitRate[] = [];
    for (const proposers of [1, 100, 1000]) rates.push(await commitRate(directory, proposers));
    return { flushesPerSecond: Math.max(before, flushRate(directory)), rates };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export function logTable({ flushesPerSecond, rates }: LogResult): string {
  const rows = rates.map(
    (rate) =>
      `| ${rate.proposers} | ${rate.commitsPerSecond.toFixed(0)} | ${(rate.commitsPerSecond / flushesPerSecond).toFixed(2)}× | ${rate.p50Ms.toFixed(2)} / ${rate.p99Ms.toFixed(2)} | ${rate.writesPerSecond.toFixed(0)} |`,
  );
  return [
    `Log commits of 256 bytes, applied to the state; the disk flushes ${flushesPerSecond.toFixed(0)}/s.`,
    '',
    '| proposers | commits/s | of the disk’s flushes | p50 / p99 ms | durable writes/s |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
