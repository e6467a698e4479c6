import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Measured } from './testing/measure.ts';

const program = fileURLToPath(new URL('./testing/measure.ts', import.meta.url));
const heapBytesMax = 150e6;
/** Far under what is expected of a machine at rest, so that a busy one does not fail. */
const transactionsPerCpuSecondMin = 40_000;

test('100 000 tasks cost a replica less than 150 MB of heap', { timeout: 120_000 }, () => {
  const fleet = JSON.stringify({ services: 100, nodes: 1_000, tasks: 100_000 });
  const flags = [
    '--expose-gc',
    '--conditions=@shoal/source',
    '--disable-warning=ExperimentalWarning',
  ];
  const output = execFileSync(process.execPath, [...flags, program, fleet], { encoding: 'utf8' });
  const { heapBytes, transactions, cpuSeconds }: Measured = JSON.parse(output);
  const perSecond = Math.round(transactions / cpuSeconds);
  console.info(`${(heapBytes / 1e6).toFixed(1)} MB, ${perSecond} transactions per CPU-second`);
  expect(heapBytes).toBeGreaterThan(20e6);
  expect(heapBytes).toBeLessThan(heapBytesMax);
  expect(perSecond).toBeGreaterThan(transactionsPerCpuSecondMin);
});
