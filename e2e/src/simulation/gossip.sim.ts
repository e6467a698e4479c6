// Hosts that publish endpoints under loss, partitions, crashes, wrong clocks and rotating keys.
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import {
  type GossipOutcome,
  type GossipReport,
  gossipThread,
  measureGossip,
  runSeeds,
  type SeedOutcome,
} from '@shoal/sim';
import { expect, test } from 'vitest';

const seedsMs = 290_000;
const fixedSeeds = 40;
const freshSeeds = 15;

type Outcome = SeedOutcome<GossipOutcome>;

async function run(seeds: readonly number[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  await runSeeds<GossipOutcome>(
    seeds.values(),
    availableParallelism(),
    (outcome) => {
      outcomes.push(outcome);
      return outcome.outcome.kind === 'held' ? 'go-on' : 'stop';
    },
    gossipThread,
  );
  return outcomes;
}

/** What went wrong, with all it takes to see it again. */
function failures(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.flatMap(({ seed, outcome }) =>
    outcome.kind === 'held' ? [] : [[outcome.message, ...outcome.trace, `seed ${seed}`].join('\n')],
  );
}

test(`${fixedSeeds} fixed seeds hold`, { timeout: seedsMs }, async () => {
  const outcomes = await run(Array.from({ length: fixedSeeds }, (_, at) => at + 1));
  expect(failures(outcomes)).toEqual([]);
  const reports = outcomes.flatMap(({ outcome }) =>
    outcome.kind === 'held' ? [outcome.report] : [],
  );
  expect(reports).toHaveLength(fixedSeeds);
  const sum = (field: Exclude<keyof GossipReport, 'seed'>): number =>
    reports.reduce((total, report) => total + report[field], 0);
  // The runs are worth something only if much happened in them.
  expect(sum('shown')).toBeGreaterThan(fixedSeeds * 50);
  expect(sum('restarts')).toBeGreaterThan(fixedSeeds * 2);
  expect(sum('splits')).toBeGreaterThan(fixedSeeds);
  expect(sum('rotations')).toBeGreaterThan(fixedSeeds);
  expect(sum('failures')).toBeGreaterThan(fixedSeeds / 4);
});

test(`${freshSeeds} fresh seeds hold`, { timeout: seedsMs }, async () => {
  const outcomes = await run(Array.from({ length: freshSeeds }, () => randomInt(2 ** 47)));
  expect(failures(outcomes)).toEqual([]);
  expect(outcomes).toHaveLength(freshSeeds);
});

test('with 100 hosts a record takes little longer than with 10', { timeout: seedsMs }, async () => {
  const [few, many] = [await measureGossip(10), await measureGossip(100)];
  const growth = Math.log(many.hosts) / Math.log(few.hosts);
  expect(many.convergenceMs).toBeLessThan(few.convergenceMs * growth + 200);
  expect(many.quietBytesPerSecond).toBeLessThan(few.quietBytesPerSecond * 1.2);
  expect(many.busyBytesPerSecond).toBeLessThan(few.busyBytesPerSecond * growth);
});
