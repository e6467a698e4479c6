// Goal: whatever happens to orchestrators, each scheduled time is served once. Method: a schedule of every
// minute, and at every moment orchestrators that are killed, away for a while, decide at once on the same
// state, or have a clock that is behind; the times of the runs that were started are compared with the schedule's.
import type { Instant } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { onTimeMs } from './cron.ts';

const begin = Date.parse('2026-01-01T12:00:30Z');
const minuteMs = 60_000;

type Move =
  | { readonly kind: 'step'; readonly ms: number }
  | { readonly kind: 'kill'; readonly stage: number }
  /** Nobody decides for so long. */
  | { readonly kind: 'absence'; readonly ms: number }
  /** Another host takes over, whose clock is behind. */
  | { readonly kind: 'clock back'; readonly ms: number };

const moves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('step'), ms: fc.nat(30_000) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('kill'), stage: fc.nat(1) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('absence'), ms: fc.nat(onTimeMs - 2) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('clock back'), ms: fc.nat(5_000) }) },
  ),
  { minLength: 10, maxLength: 40, size: 'max' },
) as fc.Arbitrary<readonly Move[]>;

/** Two orchestrators that both believe the service to be theirs. */
function rivals(labels: Record<string, string>, jobs: boolean): FakeSwarm {
  const stages = [createOrchestrator, createOrchestrator];
  const swarm = new FakeSwarm({ stages, racing: true, fate: () => 'finishes' });
  swarm.now = begin as Instant;
  swarm.addNodes(2);
  swarm.create('job', {
    template: { RestartPolicy: { Condition: 'none' } },
    spec: {
      Labels: labels,
      Mode: jobs
        ? { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } }
        : { Replicated: { Replicas: 0 } },
    },
  });
  swarm.settle();
  return swarm;
}

/** Plays the moves; gives the scheduled times of the runs in the order they were started. */
function play(swarm: FakeSwarm, all: readonly Move[]): number[] {
  const runs: number[] = [];
  const look = (): void => {
    swarm.settle();
    const { cron } = swarm.service('job');
    if (cron?.lastRun !== undefined && cron.lastRun !== runs.at(-1)) runs.push(cron.lastRun);
  };
  const pass = (ms: number): void => {
    swarm.now = (swarm.now + ms) as Instant;
  };
  for (const move of all) {
    if (move.kind === 'kill') swarm.stages[move.stage]?.restart();
    else if (move.kind === 'step') pass(move.ms);
    else if (move.kind === 'absence') {
      look();
      // Nobody waits longer than a minute past the last time that was served.
      const { servedUntil = begin } = swarm.service('job').cron ?? {};
      pass(Math.max(0, Math.min(move.ms, servedUntil + 2 * minuteMs - 1 - swarm.now)));
      for (const stage of swarm.stages) stage.restart();
    } else {
      look();
      pass(-move.ms);
      for (const stage of swarm.stages) stage.restart();
    }
    look();
  }
  return runs;
}

describe.each([
  ['a job', { 'shoal.cron': '* * * * *', 'shoal.cron.overlap': 'allow' }, true],
  [
    'a service of swarm-cronjob',
    { 'swarm.cronjob.enable': 'true', 'swarm.cronjob.schedule': '* * * * *' },
    false,
  ],
  [
    'a service of swarm-cronjob with several replicas',
    {
      'swarm.cronjob.enable': 'true',
      'swarm.cronjob.schedule': '* * * * *',
      'swarm.cronjob.replicas': '3',
    },
    false,
  ],
] as const)('each run of %s', (_what, labels, isJob) => {
  it('is started once, whoever decides, and whenever they are killed', () => {
    let most = 0;
    fc.assert(
      fc.property(moves, (all) => {
        const swarm = rivals(labels, isJob);
        const runs = play(swarm, all);
        const expected = runs.map((_, at) => begin + minuteMs / 2 + at * minuteMs);
        expect(runs).toEqual(expected);
        const { jobStatus, revision, cron } = swarm.service('job');
        expect(isJob ? (jobStatus?.iteration ?? -1) + 1 : revision - 1).toBe(runs.length);
        // And none is left out.
        expect(swarm.now - (cron?.servedUntil ?? 0)).toBeLessThan(minuteMs);
        most = Math.max(most, runs.length);
      }),
      { numRuns: 30 },
    );
    expect(most).toBeGreaterThan(1);
  });
});
