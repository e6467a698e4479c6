// Clusters of 3, 5 and 7 voters under crashes, partitions, rotten disks, wrong clocks and changes of membership.
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { runSeeds, type SeedOutcome, simulateVoters } from '@shoal/sim';
import { expect, test } from 'vitest';

const seedsMs = 240_000;

/** What went wrong, with all it takes to see it again. */
function failures(outcomes: readonly SeedOutcome[]): readonly string[] {
  return outcomes.flatMap(({ seed, outcome }) =>
    outcome.kind === 'held' ? [] : [[outcome.message, ...outcome.trace, `seed ${seed}`].join('\n')],
  );
}

async function run(seeds: readonly number[]): Promise<readonly SeedOutcome[]> {
  const outcomes: SeedOutcome[] = [];
  await runSeeds(seeds.values(), availableParallelism(), (outcome) => {
    outcomes.push(outcome);
    return outcome.outcome.kind === 'held' ? 'go-on' : 'stop';
  });
  return outcomes;
}

test('250 fixed seeds hold', { timeout: seedsMs }, async () => {
  const outcomes = await run(Array.from({ length: 250 }, (_, at) => at + 1));
  expect(failures(outcomes)).toEqual([]);
  const reports = outcomes.flatMap(({ outcome }) =>
    outcome.kind === 'held' ? [outcome.report] : [],
  );
  expect(reports).toHaveLength(250);
  const sum = (field: 'acknowledged' | 'crashes' | 'terms' | 'membershipChanges'): number =>
    reports.reduce((total, report) => total + report[field], 0);
  // The runs are worth something only if things went wrong in them and work was done all the same.
  expect(sum('acknowledged')).toBeGreaterThan(250 * 100);
  expect(sum('crashes')).toBeGreaterThan(250 * 3);
  expect(sum('terms')).toBeGreaterThan(250 * 3);
  expect(sum('membershipChanges')).toBeGreaterThan(400);
});

test('50 fresh seeds hold', { timeout: seedsMs }, async () => {
  const outcomes = await run(Array.from({ length: 50 }, () => randomInt(2 ** 47)));
  expect(failures(outcomes)).toEqual([]);
  expect(outcomes).toHaveLength(50);
});

test('the same seed gives the same run', async () => {
  expect(await simulateVoters(77)).toEqual(await simulateVoters(77));
});
