import type { Instant } from '@shoal/runtime';
import type { ServiceMode } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import type { FakeSwarm } from '../testing/fake-swarm.ts';
import { current, iterationOf, jobSwarm, stateCounts } from '../testing/jobs.ts';
import { type SpecParts, second } from '../testing/objects.ts';

const minute = 60 * second;
const hour = 60 * minute;
/** 1 January 2026, 12:00 UTC. */
const noon = Date.parse('2026-01-01T12:00:00Z') as Instant;

const aJobOfOne: ServiceMode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } };

function scheduled(Labels: Record<string, string>, Mode = aJobOfOne): SpecParts {
  return { template: { RestartPolicy: { Condition: 'none' } }, spec: { Labels, Mode } };
}

function swarmAtNoon(Labels: Record<string, string>, Mode?: ServiceMode): FakeSwarm {
  const swarm = jobSwarm();
  swarm.now = noon;
  swarm.fate = () => 'finishes';
  swarm.create('job', scheduled(Labels, Mode));
  swarm.settle();
  return swarm;
}

/** Nobody decides anything for so long. */
function nobodyThere(swarm: FakeSwarm, durationMs: number): void {
  swarm.now = (swarm.now + durationMs) as Instant;
  swarm.stages[0]?.restart();
  swarm.settle();
}

/** Jumps to the time, deciding there. */
function at(swarm: FakeSwarm, time: number): void {
  swarm.now = time as Instant;
  swarm.settle();
}

const everyHour = { 'shoal.cron': '0 * * * *' };

describe('a job with a schedule', () => {
  it('does not run while it is stopped, and makes up for nothing', () => {
    const swarm = swarmAtNoon({
      ...everyHour,
      'shoal.cron.missed': 'run-once',
      'shoal.stopped': 'true',
    });
    at(swarm, noon + 2 * hour);
    expect(swarm.tasks('job')).toEqual([]);
    swarm.update('job', (spec) => ({ ...spec, Labels: everyHour }));
    at(swarm, noon + 2.5 * hour);
    expect(swarm.tasks('job')).toEqual([]);
    at(swarm, noon + 3 * hour);
    expect(swarm.tasks('job')).toHaveLength(1);
  });

  it('does not run before its time', () => {
    const swarm = swarmAtNoon(everyHour);
    at(swarm, noon + hour - 1);
    expect(swarm.service('job').jobStatus).toBeUndefined();
    expect(swarm.tasks('job')).toEqual([]);
  });

  it('runs at each time, and the time is written with the run', () => {
    const swarm = swarmAtNoon(everyHour);
    for (const run of [0, 1, 2]) {
      const due = noon + (run + 1) * hour;
      at(swarm, due);
      expect(swarm.service('job')).toMatchObject({
        jobStatus: { iteration: run, lastExecution: due },
        cron: { schedule: '0 * * * * UTC', servedUntil: due, lastRun: due },
      });
      swarm.run(10 * second);
      expect(stateCounts(swarm)).toEqual({ complete: 1 });
    }
    expect(swarm.tasks('job').map(({ jobIteration }) => jobIteration)).toEqual([0, 1, 2]);
    expect([...swarm.view.revisions.byService('job')]).toHaveLength(1);
  });

  it('goes by the clock of its time zone', () => {
    const swarm = swarmAtNoon({
      'shoal.cron': '30 9 * * *',
      'shoal.cron.timezone': 'America/New_York',
    });
    at(swarm, noon + 2.5 * hour - 1);
    expect(iterationOf(swarm)).toBeUndefined();
    at(swarm, noon + 2.5 * hour);
    expect(iterationOf(swarm)).toBe(0);
  });

  it('runs at once when its update is forced, and not at any other update', () => {
    const swarm = swarmAtNoon(everyHour);
    swarm.setImage('job', 'busybox:2');
    swarm.run(second);
    expect(swarm.tasks('job')).toEqual([]);
    swarm.force('job');
    swarm.run(second);
    expect(current(swarm)).toMatchObject([{ jobIteration: 0, revision: 3 }]);
    at(swarm, noon + hour);
    expect(iterationOf(swarm)).toBe(1);
  });

  it('that is changed while it runs goes on as it was', () => {
    const swarm = swarmAtNoon(everyHour, {
      ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 3 },
    });
    at(swarm, noon + hour);
    swarm.setImage('job', 'busybox:2');
    swarm.run(10 * second);
    expect(current(swarm).map(({ revision }) => revision)).toEqual([1, 1, 1]);
    at(swarm, noon + 2 * hour);
    swarm.run(10 * second);
    expect(current(swarm).map(({ revision }) => revision)).toEqual([2, 2, 2]);
  });

  it('on every node runs on those that were there when the run began', () => {
    const swarm = swarmAtNoon(everyHour, { GlobalJob: {} });
    at(swarm, noon + hour);
    swarm.run(10 * second);
    swarm.addNodes(1);
    swarm.run(10 * second);
    expect(stateCounts(swarm)).toEqual({ complete: 3 });
    at(swarm, noon + 2 * hour);
    swarm.run(10 * second);
    expect(stateCounts(swarm)).toEqual({ complete: 4 });
  });

  it('counts anew when the schedule changes: nothing is made up for', () => {
    const swarm = swarmAtNoon({ ...everyHour, 'shoal.cron.missed': 'run-once' });
    at(swarm, noon + 1.75 * hour);
    expect(iterationOf(swarm)).toBe(0);
    swarm.update('job', (spec) => ({ ...spec, Labels: { 'shoal.cron': '30 * * * *' } }));
    swarm.run(second);
    expect(iterationOf(swarm)).toBe(0);
    at(swarm, noon + 2.5 * hour);
    expect(iterationOf(swarm)).toBe(1);
  });

  it('runs at once and no more when the label goes', () => {
    const swarm = swarmAtNoon(everyHour);
    swarm.update('job', (spec) => ({ ...spec, Labels: {} }));
    swarm.run(10 * second);
    expect(swarm.service('job').cron).toBeUndefined();
    expect(stateCounts(swarm)).toEqual({ complete: 1 });
    at(swarm, noon + 3 * hour);
    expect(iterationOf(swarm)).toBe(0);
  });

  it('with a malformed schedule is a job like any other', () => {
    const swarm = swarmAtNoon({ 'shoal.cron': 'when I like' });
    swarm.run(10 * second);
    expect(stateCounts(swarm)).toEqual({ complete: 1 });
  });
});

describe('a run that is due while the one before is not over', () => {
  function overlapping(overlap: string): FakeSwarm {
    const swarm = swarmAtNoon({ ...everyHour, 'shoal.cron.overlap': overlap });
    swarm.fate = () => 'runs';
    at(swarm, noon + hour);
    swarm.run(10 * second);
    at(swarm, noon + 2 * hour);
    swarm.run(10 * second);
    return swarm;
  }

  it('is skipped under forbid, and not made up for', () => {
    const swarm = overlapping('forbid');
    expect(iterationOf(swarm)).toBe(0);
    expect(swarm.service('job').cron).toMatchObject({ lastRun: noon + hour });
    swarm.fate = () => 'finishes';
    swarm.run(10 * second);
    expect(iterationOf(swarm)).toBe(0);
    at(swarm, noon + 3 * hour);
    expect(iterationOf(swarm)).toBe(1);
  });

  it('runs beside it under allow', () => {
    const swarm = overlapping('allow');
    expect(swarm.running('job')).toEqual([]);
    const running = swarm.tasks('job').filter(({ status }) => status.state === 'running');
    expect(running.map(({ jobIteration }) => jobIteration)).toEqual([0, 1]);
    swarm.fate = () => 'finishes';
    swarm.run(10 * second);
    expect(swarm.tasks('job').map(({ status }) => status.state)).toEqual(['complete', 'complete']);
  });

  it('under allow gives up what the one before had on a node that is lost', () => {
    const swarm = overlapping('allow');
    const [earlier] = swarm.tasks('job');
    swarm.setNodeState(earlier?.nodeId ?? '', 'down');
    swarm.settle();
    expect(swarm.tasks('job')).toMatchObject([
      { jobIteration: 0, desired: 'remove' },
      { jobIteration: 1, desired: 'complete' },
    ]);
  });

  it('takes its place under replace', () => {
    const swarm = overlapping('replace');
    expect(swarm.tasks('job')).toMatchObject([{ jobIteration: 1, status: { state: 'running' } }]);
  });

  it('is no such run when all of the one before was given up', () => {
    const swarm = swarmAtNoon(everyHour);
    swarm.fate = () => 'fails';
    at(swarm, noon + hour);
    swarm.run(10 * second);
    at(swarm, noon + 2 * hour);
    expect(iterationOf(swarm)).toBe(1);
  });
});

describe('a run that nobody was there to start', () => {
  const days = { 'shoal.cron': '0 13 * * *' };

  it('is started when it is late by less than a minute', () => {
    const swarm = swarmAtNoon(days);
    nobodyThere(swarm, hour + minute);
    expect(iterationOf(swarm)).toBe(0);
  });

  it('is skipped when it is later', () => {
    const swarm = swarmAtNoon(days);
    nobodyThere(swarm, hour + minute + second);
    expect(iterationOf(swarm)).toBeUndefined();
    expect(swarm.service('job').cron).toMatchObject({ servedUntil: noon + hour });
    at(swarm, noon + 25 * hour);
    expect(iterationOf(swarm)).toBe(0);
  });

  it('is made up for under run-once, once for all that were missed', () => {
    const swarm = swarmAtNoon({ ...everyHour, 'shoal.cron.missed': 'run-once' });
    nobodyThere(swarm, 5.5 * hour);
    expect(swarm.service('job')).toMatchObject({
      jobStatus: { iteration: 0 },
      cron: { lastRun: noon + 5 * hour },
    });
    swarm.run(10 * second);
    at(swarm, noon + 6 * hour - 1);
    expect(iterationOf(swarm)).toBe(0);
    at(swarm, noon + 6 * hour);
    expect(iterationOf(swarm)).toBe(1);
  });

  it('is not made up for when it was due more than a day ago', () => {
    const swarm = swarmAtNoon({ 'shoal.cron': '0 13 1 * *', 'shoal.cron.missed': 'run-once' });
    nobodyThere(swarm, 25 * hour + second);
    expect(iterationOf(swarm)).toBeUndefined();
  });

  it('by interval is made up for too', () => {
    const swarm = swarmAtNoon({ 'shoal.cron': '@every 30h', 'shoal.cron.missed': 'run-once' });
    nobodyThere(swarm, 31 * hour);
    expect(swarm.service('job').cron).toMatchObject({ lastRun: noon + 30 * hour });
  });
});

describe('a replicated service with the labels of swarm-cronjob', () => {
  const labels = { 'swarm.cronjob.enable': 'true', 'swarm.cronjob.schedule': '0 0 * * * *' };
  const none: ServiceMode = { Replicated: { Replicas: 0 } };

  function states(swarm: FakeSwarm): string[] {
    return swarm.tasks('job').map(({ status }) => status.state);
  }

  it('runs one task at each time, by a forced update; rollback goes to what a person said', () => {
    const swarm = swarmAtNoon(labels, none);
    swarm.run(10 * second);
    expect(states(swarm)).toEqual([]);
    at(swarm, noon + hour);
    swarm.run(20 * second);
    expect(states(swarm)).toEqual(['complete']);
    at(swarm, noon + 2 * hour);
    swarm.run(20 * second);
    expect(states(swarm)).toEqual(['complete', 'complete']);
    const { revision, previousRevision } = swarm.service('job');
    expect({ revision, previousRevision }).toEqual({ revision: 3, previousRevision: undefined });
    expect(swarm.view.revisions.of('job', 3)?.spec).toMatchObject({
      Mode: { Replicated: { Replicas: 1 } },
      TaskTemplate: { ForceUpdate: 2 },
    });
    expect(swarm.refusals).toEqual([]);
  });

  it('that fails by the rules of its update takes back nothing that a person said', () => {
    const UpdateConfig = { Parallelism: 1, FailureAction: 'rollback' } as const;
    const swarm = swarmAtNoon({}, none);
    swarm.update('job', (spec) => ({ ...spec, Labels: labels, UpdateConfig }));
    for (const run of [1, 2, 3]) {
      at(swarm, noon + run * hour);
      expect(swarm.service('job')).toMatchObject({ revision: 2 + run, previousRevision: 1 });
      expect(swarm.service('job').updateStatus?.state).not.toBe('paused');
      swarm.run(20 * second);
      expect(states(swarm)).toHaveLength(run);
    }
    expect(swarm.service('job')).toMatchObject({
      revision: 5,
      previousRevision: 1,
      updateStatus: { state: 'paused' },
    });
  });

  it('undoes a change of a person that fails, by the run before', () => {
    const UpdateConfig = { Parallelism: 1, FailureAction: 'rollback' } as const;
    const swarm = swarmAtNoon(labels, none);
    swarm.update('job', (spec) => ({ ...spec, UpdateConfig }));
    at(swarm, noon + hour);
    swarm.run(20 * second);
    swarm.fate = ({ revision }) => (revision === 4 ? 'fails' : 'finishes');
    swarm.setImage('job', 'busybox:bad');
    swarm.run(20 * second);
    expect(swarm.service('job').updateStatus?.state).toMatch(/^rollback/);
    expect(swarm.service('job').revision).toBe(3);
  });

  it('runs as many as it is to, all at once', () => {
    const swarm = swarmAtNoon({ ...labels, 'swarm.cronjob.replicas': '4' }, none);
    for (const run of [1, 2]) {
      at(swarm, noon + run * hour);
      expect(swarm.service('job').cron).toEqual({
        schedule: '0 0 * * * * UTC',
        servedUntil: noon + run * hour,
        lastRun: noon + run * hour,
        revision: 1 + run,
      });
      expect(states(swarm).filter((state) => state === 'pending')).toHaveLength(4);
      swarm.run(20 * second);
      expect(states(swarm)).toEqual(['complete', 'complete', 'complete', 'complete']);
    }
  });

  it('replaces what still runs', () => {
    const swarm = swarmAtNoon(labels, none);
    swarm.fate = () => 'runs';
    at(swarm, noon + hour);
    swarm.run(20 * second);
    at(swarm, noon + 2 * hour);
    swarm.run(20 * second);
    expect(states(swarm)).toEqual(['shutdown', 'running']);
  });

  it('skips what still runs when told so', () => {
    const swarm = swarmAtNoon({ ...labels, 'swarm.cronjob.skip-running': 'true' }, none);
    swarm.fate = () => 'runs';
    at(swarm, noon + hour);
    swarm.run(20 * second);
    at(swarm, noon + 2 * hour);
    swarm.run(20 * second);
    expect(states(swarm)).toEqual(['running']);
    swarm.fate = () => 'finishes';
    swarm.run(20 * second);
    at(swarm, noon + 3 * hour);
    swarm.run(20 * second);
    expect(states(swarm)).toEqual(['complete', 'complete']);
  });

  it('runs after a run that failed', () => {
    const swarm = swarmAtNoon(labels, none);
    swarm.fate = () => 'fails';
    at(swarm, noon + hour);
    swarm.run(20 * second);
    at(swarm, noon + 2 * hour);
    swarm.run(20 * second);
    at(swarm, noon + 3 * hour);
    swarm.fate = () => 'finishes';
    swarm.run(20 * second);
    expect(states(swarm)).toEqual(['failed', 'failed', 'complete']);
  });

  it('carries the credentials on, and says where they were sealed', () => {
    const swarm = swarmAtNoon(labels, none);
    const sealed = { sealed: 'c2VhbGVk' };
    const first = swarm.view.revisions.of('job', 1);
    const service = swarm.service('job');
    if (first === undefined) throw new Error('no revision');
    const own = { ...first, id: 'job.2', number: 2, registryAuth: sealed };
    swarm.write([
      { op: 'create', table: 'revision', object: own },
      { op: 'update', table: 'service', object: { ...service, revision: 2 } },
    ]);
    at(swarm, noon + hour);
    swarm.run(20 * second);
    at(swarm, noon + 2 * hour);
    expect(swarm.view.revisions.of('job', 4)).toMatchObject({
      registryAuth: sealed,
      registryAuthFrom: 'job.2',
    });
  });

  it('in global mode runs on every node', () => {
    const swarm = swarmAtNoon(labels, { Global: {} });
    swarm.run(10 * second);
    expect(states(swarm)).toHaveLength(3);
    at(swarm, noon + hour);
    expect(states(swarm).filter((state) => state === 'pending')).toHaveLength(3);
    swarm.run(minute);
    expect(states(swarm)).toEqual(['complete', 'complete', 'complete']);
  });

  it('does not listen to shoal.cron: that is for jobs', () => {
    const swarm = swarmAtNoon(everyHour, none);
    at(swarm, noon + hour);
    swarm.run(10 * second);
    expect(states(swarm)).toEqual([]);
  });
});
