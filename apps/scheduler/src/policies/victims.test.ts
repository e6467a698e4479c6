import type { Instant } from '@shoal/runtime';
import { newMeta, type ServiceSpec, type TaskTemplate } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { boardOf, onData, setState } from '../testing/data-board.ts';
import type { FakeBoard } from '../testing/fake-board.ts';

const half: Partial<TaskTemplate> = { Resources: { Reservations: { NanoCPUs: 4e9 } } };
const whole: Partial<TaskTemplate> = { Resources: { Reservations: { NanoCPUs: 8e9 } } };

function high(labels: Record<string, string> = {}): Partial<ServiceSpec> {
  return { Labels: { 'shoal.priority': '1', ...labels } };
}

function displaced(board: FakeBoard): readonly string[] {
  const tasks = [...board.state.view.tasks.values()];
  return tasks.filter((task) => task.displaced !== undefined).map(({ id }) => id);
}

describe('a task whose data is on a node that was removed', () => {
  it('makes nobody give way: no room elsewhere would do', () => {
    const board = boardOf('node1');
    board.service('db', { ...whole, ...onData() }, high());
    const [first = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    board.report(first, 'running');
    board.node('node2');
    board.service('low', whole);
    board.placed('low', 'node2');
    board.end(first);
    const { version } = board.state.view.nodes.get('node1')?.meta ?? newMeta;
    board.write([{ op: 'delete', table: 'node', id: 'node1', version }]);
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(displaced(board)).toEqual([]);
    expect(board.task(next).status.err).toMatch(/^the volume data of slot 1 was on node node1/);
  });
});

describe('a task makes no service give way', () => {
  it.each([
    { what: 'that it is to be near to', label: { 'shoal.affinity': 'cache:hard' } },
    { what: 'that it waits for', label: { 'shoal.depends-on': 'cache:healthy' } },
  ])('$what', ({ label }) => {
    const board = boardOf('node1');
    board.service('batch', half);
    board.service('cache', half);
    const batch = board.placed('batch', 'node1');
    // The newest of equals would give way.
    board.now = (board.now + 1) as Instant;
    board.placed('cache', 'node1');
    board.service('web', half, high(label));
    const [web = ''] = board.tasks('web', 1);
    board.schedule();
    expect(displaced(board)).toEqual([batch]);
    board.report(batch, 'shutdown');
    board.schedule();
    expect(board.task(web).nodeId).toBe('node1');
  });

  it('that it waits for, also where nothing else could', () => {
    const board = boardOf('node1');
    board.service('cache', whole);
    board.placed('cache', 'node1');
    board.service('web', whole, high({ 'shoal.depends-on': 'cache' }));
    board.tasks('web', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
  });

  it('that it only waited for when it started first', () => {
    const board = boardOf('node1', 'node2');
    board.service('cache', whole);
    const cache = board.placed('cache', 'node1');
    board.service('web', whole, high({ 'shoal.depends-on': 'cache' }));
    const [first = ''] = board.tasks('web', 2);
    board.schedule();
    expect(board.task(first).nodeId).toBe('node2');
    expect(displaced(board)).toEqual([cache]);
  });
});

describe('a service that a task needs gives way but for one task', () => {
  it.each([
    { what: 'started', label: { 'shoal.depends-on': 'cache' } },
    { what: 'near', label: { 'shoal.affinity': 'cache:hard' } },
    {
      what: 'started and near',
      label: { 'shoal.depends-on': 'cache', 'shoal.affinity': 'cache:hard' },
    },
  ])('$what, on one node', ({ label }) => {
    const board = boardOf('node1');
    board.service('cache', half);
    board.placed('cache', 'node1');
    board.now = (board.now + 1) as Instant;
    const newest = board.placed('cache', 'node1');
    board.service('web', half, high(label));
    const [web = ''] = board.tasks('web', 1);
    board.service('big', whole, high(label));
    board.tasks('big', 1);
    board.schedule();
    expect(displaced(board)).toEqual([newest]);
    board.report(newest, 'shutdown');
    board.schedule();
    expect(board.task(web).nodeId).toBe('node1');
  });

  it('started, of the whole swarm, and not one that has not begun', () => {
    const board = boardOf('node1', 'node2', 'node3');
    board.service('cache', whole);
    const [begun, other] = ['node1', 'node2'].map((node) => board.placed('cache', node));
    const starting = board.placed('cache', 'node3', 'starting');
    const needs = { 'shoal.depends-on': 'cache', 'shoal.depends-on.recheck': 'true' };
    board.service('web', whole, high(needs));
    board.tasks('web', 3);
    board.schedule();
    const left = [begun, other].filter((id) => id && !displaced(board).includes(id));
    expect(displaced(board)).toHaveLength(2);
    expect(displaced(board)).toContain(starting);
    expect(left).toHaveLength(1);
  });

  it('or for none: healthy is all of it', () => {
    const board = boardOf('node1', 'node2');
    board.service('cache', whole, { Mode: { Replicated: { Replicas: 2 } } });
    for (const node of ['node1', 'node2']) board.placed('cache', node);
    board.service('web', whole, high({ 'shoal.depends-on': 'cache:healthy' }));
    board.tasks('web', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
  });

  it('near, of each node', () => {
    const board = boardOf('node1', 'node2');
    board.service('cache', whole);
    for (const node of ['node1', 'node2']) board.placed('cache', node);
    board.service('web', whole, high({ 'shoal.affinity': 'cache:hard' }));
    board.tasks('web', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
  });

  it('started, also the only one here once another has begun elsewhere', () => {
    const board = boardOf('node1');
    board.node('node2', { cpus: 4 });
    board.service('cache', half);
    const first = board.placed('cache', 'node1');
    const other = board.placed('cache', 'node2', 'starting');
    board.service('web', whole, high({ 'shoal.depends-on': 'cache' }));
    board.tasks('web', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
    board.report(other, 'running');
    board.schedule();
    expect(displaced(board)).toEqual([first]);
  });
});

describe('tasks of a job', () => {
  const once = { RestartPolicy: { Condition: 'none' } } as const;
  const again = { RestartPolicy: { Condition: 'any' } } as const;
  const run = { desired: 'complete', jobIteration: 1 } as const;

  it.each([
    { what: 'of the run that is on give way', made: again, current: again, iteration: 1, gives: 1 },
    { what: 'of an earlier run do not', made: again, current: again, iteration: 2, gives: 0 },
    {
      what: 'of a run that tries nothing again do not, whatever the service says since',
      ...{ made: once, current: again, iteration: 1, gives: 0 },
    },
    {
      what: 'of a run that tries again give way, whatever the service says since',
      ...{ made: again, current: once, iteration: 1, gives: 1 },
    },
  ])('$what', ({ made, current, iteration, gives }) => {
    const board = boardOf('node1');
    const Mode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } };
    board.service('job', { ...whole, ...made }, { Mode });
    const id = board.placed('job', 'node1', 'running', { ...run, slot: 0 });
    board.relabel('job', {}, current);
    const service = board.state.view.services.get('job');
    const jobStatus = { iteration, revision: 1, lastExecution: board.now };
    if (service !== undefined)
      board.write([{ op: 'update', table: 'service', object: { ...service, jobStatus } }]);
    board.service('web', whole, high());
    board.tasks('web', 1);
    board.schedule();
    expect(displaced(board)).toEqual(gives === 1 ? [id] : []);
  });
});

describe('tasks that give way on a node that goes down', () => {
  it('are not waited for: others give way on the next', () => {
    const board = boardOf('node1', 'node2');
    board.service('low', whole);
    const low = ['node1', 'node2'].map((node) => board.placed('low', node));
    board.service('web', whole, high());
    const [web = ''] = board.tasks('web', 1);
    board.schedule();
    const [victim = ''] = displaced(board);
    const { nodeId } = board.task(victim);
    setState(board, nodeId, 'down');
    board.schedule();
    expect([...displaced(board)].sort()).toEqual(low.sort());
    const other = nodeId === 'node1' ? 'node2' : 'node1';
    expect(board.task(web).status.err).toContain(`are stopping on ${other} to make room`);
    board.report(low.find((id) => id !== victim) ?? '', 'shutdown');
    board.schedule();
    expect(board.task(web).nodeId).toBe(other);
  });
});
