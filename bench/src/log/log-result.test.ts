import { expect, it } from 'vitest';
import { comparisonTable, type LogComparison } from './log-result.ts';
import { rowOf } from './points.ts';

const rate = (perSecond: number) => ({ perSecond, p50Ms: 0.5, p99Ms: 2 });
const comparison: LogComparison = {
  rows: [rowOf(1, 1, [rate(3_000)], [rate(2_000)]), rowOf(3, 100, [rate(2_998)], [rate(2_000)])],
  fanOut: {
    voters: 3,
    followers: 8,
    proposers: 100,
    ...{ commitsPerSecond: 9_000, p50Ms: 8, p99Ms: 20, deliveredPerSecond: 8_900, behindMs: 3 },
    ...{ entriesPerSecond: 4_000, megabytesPerSecond: 30 },
  },
  flush: {
    flushesPerSecond: 5_000,
    rates: [
      { proposers: 1, commitsPerSecond: 2_500, p50Ms: 0.3, p99Ms: 1, writesPerSecond: 2_500 },
    ],
  },
};

it('says at every point whether the target is met', () => {
  const lines = comparisonTable(comparison).split('\n');
  expect(lines).toContain('| 1 | 1 | 3000 | 0.50 / 2.00 | 2000 | 0.50 / 2.00 | 1.50× | met |');
  expect(lines).toContain('| 3 | 100 | 2998 | 0.50 / 2.00 | 2000 | 0.50 / 2.00 | 1.50× | missed |');
});

it('says what the followers got and what the disk can do', () => {
  const text = comparisonTable(comparison);
  expect(text).toContain('8 followers of the leader of 3 voters, 100 proposers: 9000 commits/s');
  expect(text).toContain('8900/s delivered to every one of them');
  expect(text).toContain('the disk flushes 5000/s');
});
