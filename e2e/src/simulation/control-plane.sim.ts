// Simulated hours of users, crashes, lost hosts and partitions, against the real control plane.
import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { simulateControlPlane } from './control-plane.ts';

const minute = 60_000;

describe('everything goes wrong, then all must be as asked', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('fixed seed %i', async (seed) => {
    const report = await simulateControlPlane({
      seed,
      chaosMs: 20 * minute,
      replicas: 1,
      agents: 4,
    });
    expect(report.requests).toBeGreaterThan(100);
    expect(report.crashes).toBeGreaterThan(50);
  });

  test.each([11, 12, 13])('fixed seed %i, three processes a stage', async (seed) => {
    await simulateControlPlane({ seed, chaosMs: 10 * minute, replicas: 3, agents: 5 });
  });

  test.each([1, 2, 3, 4])('fresh seed, %i', async () => {
    const seed = randomInt(2 ** 47);
    const report = await simulateControlPlane({
      seed,
      chaosMs: 20 * minute,
      replicas: 2,
      agents: 4,
    });
    expect(report.seed).toBe(seed);
  });
});

test('the same seed gives the same run', async () => {
  const run = () => simulateControlPlane({ seed: 99, chaosMs: 3 * minute, replicas: 2, agents: 3 });
  expect(await run()).toEqual(await run());
});
