// Hosts with tasks in networks: agents, dispatchers and gossip under faults, then silence.
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { runSeeds, type SeedOutcome } from '@shoal/sim';
import { expect, test } from 'vitest';
import { type NetworksOutcome, networksThread } from './networks/index.ts';
import { networksPlan } from './networks/plan.ts';
import { type NetworksReport, NetworksSimulation } from './networks/simulation.ts';

const seedsMs = 240_000;
const fixedSeeds = 6;
const freshSeeds = 2;

type Outcome = SeedOutcome<NetworksOutcome>;

async function run(seeds: readonly number[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  await runSeeds<NetworksOutcome>(
    seeds.values(),
    availableParallelism(),
    (outcome) => {
      outcomes.push(outcome);
      return outcome.outcome.kind === 'held' ? 'go-on' : 'stop';
    },
    networksThread,
  );
  return outcomes;
}

/** What went wrong, with all it takes to see it again. */
function failures(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.flatMap(({ seed, outcome }) =>
    outcome.kind === 'held' ? [] : [[outcome.message, ...outcome.trace, `seed ${seed}`].join('\n')],
  );
}

test(`after chaos every host serves what the log implies within 10 s: ${fixedSeeds} fixed seeds`, {
  timeout: seedsMs,
}, async () => {
  const outcomes = await run(Array.from({ length: fixedSeeds }, (_, at) => at + 1));
  expect(failures(outcomes)).toEqual([]);
  const reports = outcomes.flatMap(({ outcome }) =>
    outcome.kind === 'held' ? [outcome.report] : [],
  );
  expect(reports).toHaveLength(fixedSeeds);
  const sum = (field: Exclude<keyof NetworksReport, 'seed'>): number =>
    reports.reduce((total, report) => total + report[field], 0);
  // The runs are worth something only if much happened in them.
  expect(sum('served')).toBeGreaterThan(fixedSeeds * 3);
  expect(sum('agentCrashes')).toBeGreaterThan(fixedSeeds);
  expect(sum('powerCuts')).toBeGreaterThan(fixedSeeds / 2);
  expect(sum('processCrashes')).toBeGreaterThan(fixedSeeds);
  expect(sum('splits')).toBeGreaterThan(fixedSeeds);
  expect(sum('rotations')).toBeGreaterThan(fixedSeeds / 2);
});

test(`the same with ${freshSeeds} fresh seeds`, { timeout: seedsMs }, async () => {
  const outcomes = await run(Array.from({ length: freshSeeds }, () => randomInt(2 ** 47)));
  expect(failures(outcomes)).toEqual([]);
  expect(outcomes).toHaveLength(freshSeeds);
});

test('a host whose resolver goes deaf is found out', { timeout: seedsMs }, async () => {
  const plan = networksPlan(3);
  const simulation = new NetworksSimulation(plan, undefined, (host) => {
    const [dns] = host.consumers;
    if (dns !== undefined) dns.digest = () => 'something else';
  });
  await expect(simulation.run()).rejects.toThrow('dns serves something else');
});

test('the same seed gives the same run', { timeout: seedsMs }, async () => {
  const report = () => new NetworksSimulation(networksPlan(2)).run();
  expect(await report()).toEqual(await report());
});
