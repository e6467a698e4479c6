// Users, crashes, lost hosts and partitions against the real control plane, with 1, 2, 4 and 8 schedulers.
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import {
  type ControlPlaneOutcome,
  type ControlPlaneReport,
  ControlPlaneSimulation,
  controlPlanePlan,
  runSeeds,
  type SeedOutcome,
} from '@shoal/sim';
import type { Stage } from '@shoal/stage';
import { expect, test } from 'vitest';
import { controlPlaneThread, parts } from './control-plane.ts';

const seedsMs = 290_000;
const fixedSeeds = 40;
const freshSeeds = 8;

type Outcome = SeedOutcome<ControlPlaneOutcome>;

async function run(seeds: readonly number[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  await runSeeds<ControlPlaneOutcome>(
    seeds.values(),
    availableParallelism(),
    (outcome) => {
      outcomes.push(outcome);
      return outcome.outcome.kind === 'held' ? 'go-on' : 'stop';
    },
    controlPlaneThread,
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
  const sum = (field: Exclude<keyof ControlPlaneReport, 'seed'>): number =>
    reports.reduce((total, report) => total + report[field], 0);
  // The runs are worth something only if much happened in them.
  expect(sum('tasks')).toBeGreaterThan(fixedSeeds * 25);
  expect(sum('failures')).toBeGreaterThan(fixedSeeds * 8);
  expect(sum('crashes')).toBeGreaterThan(fixedSeeds * 4);
  expect(sum('updates')).toBeGreaterThan(fixedSeeds * 4);
  expect(sum('nodesLost')).toBeGreaterThan(fixedSeeds);
  expect(sum('updatesCompleted')).toBeGreaterThan(fixedSeeds);
  expect(sum('updatesPaused')).toBeGreaterThan(0);
  expect(sum('rollbacksStarted')).toBeGreaterThan(fixedSeeds / 8);
  expect(sum('gentleMoves')).toBeGreaterThan(0);
  expect(sum('scaledUp')).toBeGreaterThan(fixedSeeds / 8);
  expect(sum('scaledDown')).toBeGreaterThan(fixedSeeds / 8);
  expect(sum('completions')).toBeGreaterThan(fixedSeeds);
});

test(`${freshSeeds} fresh seeds hold`, { timeout: seedsMs }, async () => {
  const outcomes = await run(Array.from({ length: freshSeeds }, () => randomInt(2 ** 47)));
  expect(failures(outcomes)).toEqual([]);
  expect(outcomes).toHaveLength(freshSeeds);
});

test('the same seed gives the same run', async () => {
  const report = () => new ControlPlaneSimulation(controlPlanePlan(5), parts).run();
  expect(await report()).toEqual(await report());
});

/** An orchestrator that never replaces what ended. */
function forgetful(): Stage {
  const stage = parts.stages.orchestrator();
  return {
    name: stage.name,
    *step(...state) {
      for (const decision of stage.step(...state))
        if (decision.kind === 'wake' || !decision.reason.startsWith('task ended')) yield decision;
    },
  };
}

test('a stage that forgets something is found out', async () => {
  const stages = { ...parts.stages, orchestrator: forgetful };
  const simulation = new ControlPlaneSimulation(controlPlanePlan(5), { ...parts, stages });
  await expect(simulation.run()).rejects.toThrow('nobody minds');
});
