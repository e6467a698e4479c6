import type { Instant } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import {
  type Change,
  isRunOver,
  isUpToDate,
  jobCounts,
  jobRun,
  jobStatusAfter,
  mayRetryJob,
  nextJobStatus,
  type ServiceMode,
  type ServiceSpec,
  State,
  type Task,
} from './index.ts';
import { commit } from './testing/bytes.ts';
import {
  create,
  node,
  observed,
  revision,
  service,
  spec,
  task,
  transaction,
} from './testing/objects.ts';

const replicated: ServiceMode = { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 3 } };
const global: ServiceMode = { GlobalJob: {} };
const run = { iteration: 1, revision: 1, lastExecution: 9 as Instant };

function stateOf(Mode: ServiceMode, ...tasks: readonly Task[]): State {
  const state = new State();
  const changes: Change[] = [
    create('node', node('n1')),
    create('node', node('n2')),
    create('service', { ...service('job'), jobStatus: run }),
    create('revision', revision('job', 1, { Mode, ...none })),
    ...tasks.map((one) => create('task', one)),
  ];
  commit(state, transaction('made', changes));
  return state;
}

function jobTask(
  id: string,
  slot: number,
  state: Task['status']['state'],
  more: Partial<Task> = {},
) {
  const desired = 'complete';
  return task(id, 'job', { slot, desired, jobIteration: 1, status: observed(state), ...more });
}

function runOf({ view }: State) {
  const found = view.services.get('job');
  const current = found && jobRun(view, found);
  if (found === undefined || current === undefined) throw new Error('no run');
  return { ...current, found, isOver: isRunOver(current), left: [...current.missing()] };
}

const off = { desired: 'shutdown' } as const;

const none = {
  TaskTemplate: { ...spec('job').TaskTemplate, RestartPolicy: { Condition: 'none' } },
} as const;

describe('a run of a replicated job', () => {
  test.each<[string, readonly Task[], Record<number, string>, readonly number[], boolean]>([
    ['has everything to do at first', [], {}, [0, 1, 2], false],
    [
      'is on while a task is',
      [jobTask('a', 0, 'complete'), jobTask('b', 1, 'running')],
      { 0: 'complete', 1: 'live' },
      [2],
      false,
    ],
    [
      'waits for the orchestrator where a task failed',
      [jobTask('a', 0, 'failed')],
      { 0: 'live' },
      [1, 2],
      false,
    ],
    [
      'has given a slot up where a failed task is called off and none follows',
      [jobTask('a', 0, 'failed', off), jobTask('b', 1, 'complete'), jobTask('c', 2, 'complete')],
      { 0: 'given-up', 1: 'complete', 2: 'complete' },
      [],
      true,
    ],
    [
      'is complete in a slot whatever else happened there',
      [jobTask('a', 0, 'complete'), jobTask('b', 0, 'shutdown', off)],
      { 0: 'complete' },
      [1, 2],
      false,
    ],
    [
      'does not count tasks of another run',
      [jobTask('a', 0, 'complete', { jobIteration: 0 })],
      {},
      [0, 1, 2],
      false,
    ],
  ])('%s', (_rule, tasks, standings, left, isOver) => {
    const found = runOf(stateOf(replicated, ...tasks));
    expect(Object.fromEntries(found.standings)).toEqual(standings);
    expect(found.left).toEqual(left);
    expect(found.isOver).toBe(isOver);
  });

  test('has the numbers that Swarm shows', () => {
    const state = stateOf(
      replicated,
      jobTask('a', 0, 'complete'),
      jobTask('b', 1, 'running'),
      jobTask('c', 2, 'running', { jobIteration: 0 }),
    );
    const { found, revision: current } = runOf(state);
    const counts = jobCounts(state.view, found, current.spec);
    expect(counts).toEqual({ running: 1, desired: 2, completed: 1 });
  });

  test('has the tasks that are up to date', () => {
    const state = stateOf(
      replicated,
      jobTask('a', 0, 'complete'),
      jobTask('b', 0, 'complete', { jobIteration: 0 }),
    );
    const current = [...state.view.tasks.values()].filter((one) => isUpToDate(state.view, one));
    expect(current.map(({ id }) => id)).toEqual(['a']);
  });
});

describe('a limit of two restarts', () => {
  const tenMs = 10_000_000;

  /** How long each try ran before it failed; the next began an hour later. */
  function failures(...ran: readonly number[]): Task[] {
    return ran.map((ms, nth) => {
      const startedAt = (nth * 3_600_000) as Instant;
      const status = { ...observed('failed'), startedAt, at: (startedAt + ms) as Instant };
      return jobTask(`t${nth}`, 0, 'failed', { ...off, status });
    });
  }

  test.each<[string, number, readonly number[], boolean]>([
    ['without a window is not reached by two failures', 0, [99, 99], true],
    ['without a window counts all', 0, [99, 99, 99], false],
    ['with a window counts those in a row, however far apart', tenMs, [1, 1, 1], false],
    ['with a window counts none before one that lasted', tenMs, [1, 1, 10], true],
    ['counts on after one that lasted', tenMs, [1, 1, 10, 1], true],
    ['is reached by two after one that lasted', tenMs, [1, 1, 10, 1, 1], false],
    ['is told by the last three', tenMs, [10, 1, 1], false],
  ])('%s', (_rule, Window, ran, again) => {
    const RestartPolicy = { MaxAttempts: 2, Window };
    const TaskTemplate = { ...spec('job').TaskTemplate, RestartPolicy };
    const tries = failures(...ran);
    const ended = tries.at(-1);
    if (ended === undefined) throw new Error('no tries');
    const made = revision('job', 1, { Mode: replicated, TaskTemplate });
    expect(mayRetryJob(made, tries, ended)).toBe(again);
  });

  test('never began and was lost: goes elsewhere whatever failed before', () => {
    const RestartPolicy = { MaxAttempts: 2 };
    const TaskTemplate = { ...spec('job').TaskTemplate, RestartPolicy };
    const lost = jobTask('lost', 0, 'orphaned', off);
    const made = revision('job', 1, { Mode: replicated, TaskTemplate });
    expect(mayRetryJob(made, [...failures(1, 1, 1), lost], lost)).toBe(true);
  });
});

describe('a run of a global job', () => {
  test('wants one task on each node', () => {
    const found = runOf(stateOf(global, jobTask('a', 0, 'complete', { nodeId: 'n1' })));
    expect(found).toMatchObject({ left: ['n2'], isOver: false });
  });

  test.each<[string, Task['status'], readonly string[]]>([
    ['failed', observed('failed'), ['n2']],
    ['was stopped with its node', observed('shutdown'), ['n1', 'n2']],
  ])('where a task %s and was called off', (_what, status, left) => {
    const gone = jobTask('a', 0, 'new', { nodeId: 'n1', ...off, status });
    expect(runOf(stateOf(global, gone)).left).toEqual(left);
  });

  test('shows what is left to complete as desired', () => {
    const state = stateOf(
      global,
      jobTask('a', 0, 'complete', { nodeId: 'n1' }),
      jobTask('b', 0, 'running', { nodeId: 'n2' }),
    );
    const { found, revision: current } = runOf(state);
    const counts = jobCounts(state.view, found, current.spec);
    expect(counts).toEqual({ running: 1, desired: 1, completed: 1 });
  });
});

describe('what a change of a service means for its runs', () => {
  const job = (change: Partial<ServiceSpec> = {}): ServiceSpec =>
    spec('job', { Mode: replicated, ...change });
  const forced = { TaskTemplate: { ...spec('job').TaskTemplate, ForceUpdate: 1 } };
  const daily = { Labels: { 'shoal.cron': '@daily' } };
  const now = 20 as Instant;
  const asked = { iteration: 2, revision: 7, lastExecution: now };

  test.each<[string, ServiceSpec | undefined, ServiceSpec, object | undefined]>([
    ['a service that is no job has none', undefined, spec('web'), undefined],
    ['a job that is changed runs again', job(), job({ Labels: { a: 'b' } }), asked],
    ['one that is forced runs again', job(), job(forced), asked],
    ['one with a schedule goes on as it was', job(daily), job({ ...daily }), run],
    [
      'one with a schedule that is forced runs again',
      job(daily),
      job({ ...daily, ...forced }),
      asked,
    ],
    ['one that loses its schedule runs again', job(daily), job(), asked],
  ])('%s', (_rule, from, to, expected) => {
    expect(jobStatusAfter(run, from, { number: 7, spec: to }, now)).toEqual(expected);
  });

  test('the first run is number 0, and one with a schedule waits for it', () => {
    const first = { iteration: 0, revision: 1, lastExecution: now };
    expect(jobStatusAfter(undefined, undefined, { number: 1, spec: job() }, now)).toEqual(first);
    expect(nextJobStatus(undefined, 1, now)).toEqual(first);
    const scheduled = { number: 1, spec: job(daily) };
    expect(jobStatusAfter(undefined, undefined, scheduled, now)).toBeUndefined();
  });
});
