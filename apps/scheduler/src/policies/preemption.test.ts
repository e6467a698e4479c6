import type { Instant } from '@shoal/runtime';
import type { ServiceSpec, TaskTemplate } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { FakeBoard } from '../testing/fake-board.ts';
import { victimsPerMinuteMax, victimsPerTaskMax, victimsWindowMs } from './preemption.ts';

const cpus = (NanoCPUs: number): Partial<TaskTemplate> => ({
  Resources: { Reservations: { NanoCPUs: NanoCPUs * 1e9 } },
});

function priority(value: number, more: Partial<ServiceSpec> = {}): Partial<ServiceSpec> {
  return { Labels: { 'shoal.priority': String(value) }, ...more };
}

/** Two nodes of 8 CPUs, full of tasks of 4. */
function full(): { board: FakeBoard; tasks: Record<string, string> } {
  const board = new FakeBoard();
  for (const id of ['a', 'b']) board.node(id);
  board.service('low', cpus(4));
  board.service('lower', cpus(4), priority(-10));
  const tasks: Record<string, string> = {};
  for (const [name, service, node] of [
    ['low-a1', 'low', 'a'],
    ['low-a2', 'low', 'a'],
    ['low-b', 'low', 'b'],
    ['lower-b', 'lower', 'b'],
  ] as const) {
    board.now = (board.now + 1) as Instant;
    tasks[name] = board.placed(service, node);
  }
  return { board, tasks };
}

function displaced(board: FakeBoard): readonly string[] {
  const tasks = [...board.state.view.tasks.values()];
  return tasks.filter((task) => task.displaced !== undefined).map(({ id }) => id);
}

describe('a task that fits nowhere', () => {
  it('makes the least important task give way, which says why', () => {
    const { board, tasks } = full();
    board.service('high', cpus(4), priority(10));
    const [id = ''] = board.tasks('high', 1, { slot: 1 });
    board.schedule();
    const victim = tasks['lower-b'] ?? '';
    expect(displaced(board)).toEqual([victim]);
    expect(board.task(victim)).toMatchObject({
      desired: 'shutdown',
      displaced: {
        by: id,
        reason: 'gave way to task high.1 of higher priority (10 over -10)',
      },
    });
    expect(board.task(id).status.err).toBe(
      'tasks of lower priority are stopping on b to make room; no suitable node (insufficient resources on 2 nodes): a is closest, it lacks 4 CPUs',
    );
    board.report(victim, 'shutdown');
    board.schedule();
    expect(board.task(id)).toMatchObject({ nodeId: 'b', status: { state: 'assigned', err: '' } });
  });

  it.each([
    [
      'a slot of a replicated job',
      { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } },
      '0',
    ],
    ['a node of a global job', { GlobalJob: {} }, 'b'],
  ])('is called by its place: %s', (_what, Mode, place) => {
    const { board, tasks } = full();
    board.service('high', cpus(4), priority(10, { Mode }));
    board.tasks('high', 1, { slot: 0, nodeId: place === '0' ? '' : place });
    board.schedule();
    expect(board.task(tasks['lower-b'] ?? '').displaced?.reason).toBe(
      `gave way to task high.${place} of higher priority (10 over -10)`,
    );
  });

  it.each([
    { what: 'tasks of its own priority', mine: 0, lower: 0, theirs: 0 },
    { what: 'tasks of higher priority', mine: -20, lower: -10, theirs: 0 },
  ])('leaves $what alone', ({ mine, lower, theirs }) => {
    const board = new FakeBoard();
    board.node('a');
    board.service('one', cpus(4), priority(lower));
    board.service('two', cpus(4), priority(theirs));
    board.placed('one', 'a');
    board.placed('two', 'a');
    board.service('high', cpus(4), priority(mine));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
  });

  it('chooses the newest of equals', () => {
    const { board, tasks } = full();
    board.end(tasks['lower-b'] ?? '', 'shutdown');
    board.service('filler', cpus(4), priority(10));
    board.placed('filler', 'b');
    board.service('high', cpus(4), priority(10));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([tasks['low-b']]);
  });

  it('chooses the node where the fewest give way', () => {
    const board = new FakeBoard();
    for (const id of ['a', 'b']) board.node(id);
    board.service('small', cpus(2), priority(-10));
    board.service('large', cpus(8));
    for (let at = 0; at < 4; at += 1) board.placed('small', 'a');
    const large = board.placed('large', 'b');
    board.service('high', cpus(8), priority(1));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([large]);
  });

  it('spares who would give way for nothing', () => {
    const board = new FakeBoard();
    board.node('a', { cpus: 8 });
    board.service('small', cpus(1), priority(-10));
    board.service('large', cpus(7), priority(-5));
    board.placed('small', 'a');
    const large = board.placed('large', 'a');
    board.service('high', cpus(7), priority(1));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([large]);
  });

  it('displaces nobody when it would still not fit', () => {
    const { board } = full();
    board.service('high', cpus(9), priority(10));
    board.service(
      'picky',
      { ...cpus(4), Placement: { Constraints: ['node.role==manager'] } },
      priority(10),
    );
    board.tasks('high', 1);
    board.tasks('picky', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
  });

  it('displaces nobody while room comes free by itself', () => {
    const { board, tasks } = full();
    board.changeTask(tasks['low-a1'] ?? '', { desired: 'shutdown' });
    board.service('high', cpus(4), priority(10));
    const [id = ''] = board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
    board.report(tasks['low-a1'] ?? '', 'shutdown');
    board.schedule();
    expect(board.task(id).nodeId).toBe('a');
  });

  it('gets a host port that a lesser task holds', () => {
    const board = new FakeBoard();
    board.node('a');
    const EndpointSpec = {
      Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 80, PublishMode: 'host' } as const],
    };
    board.service('low', {}, { EndpointSpec });
    const low = board.placed('low', 'a');
    board.service('high', {}, priority(1, { EndpointSpec }));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([low]);
  });

  it('makes room on its own node when that was given', () => {
    const { board, tasks } = full();
    board.service('agent', cpus(4), priority(10, { Mode: { Global: {} } }));
    const [id = ''] = board.tasks('agent', 1, { slot: 0, nodeId: 'a' });
    board.schedule();
    expect(displaced(board)).toEqual([tasks['low-a2']]);
    board.report(tasks['low-a2'] ?? '', 'shutdown');
    board.schedule();
    expect(board.task(id).status.state).toBe('assigned');
  });
});

describe('a task beside its data', () => {
  it('gets room there', () => {
    const board = new FakeBoard();
    for (const id of ['a', 'b']) board.node(id);
    const Mounts = [{ Type: 'volume', Source: 'data', Target: '/data' } as const];
    board.service('db', { ...cpus(4), ContainerSpec: { Image: 'db', Mounts } }, priority(1));
    const [first = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    const { nodeId } = board.task(first);
    board.end(first);
    board.service('low', cpus(8));
    const low = board.placed('low', nodeId);
    const [next = ''] = board.tasks('db', 1, { slot: 1 });
    board.schedule();
    expect(displaced(board)).toEqual([low]);
    board.report(low, 'shutdown');
    board.schedule();
    expect(board.task(next).nodeId).toBe(nodeId);
  });
});

describe('a service that is to be on every node', () => {
  it('gets room on each of them', () => {
    const board = new FakeBoard();
    const nodes = ['a', 'b', 'c'];
    for (const id of nodes) board.node(id);
    board.service('low', cpus(8));
    for (const id of nodes) board.placed('low', id);
    board.service('agent', cpus(1), priority(1, { Mode: { Global: {} } }));
    for (const nodeId of nodes) board.tasks('agent', 1, { slot: 0, nodeId });
    board.schedule();
    expect(displaced(board)).toHaveLength(nodes.length);
  });
});

describe('what gives way last, or not at all', () => {
  const policy = (Condition: 'none' | 'any', MaxAttempts = 0): Partial<TaskTemplate> => ({
    ...cpus(8),
    RestartPolicy: { Condition, MaxAttempts },
  });
  const Mounts = [{ Type: 'volume', Source: 'data', Target: '/data' } as const];
  const sticky = { ...cpus(8), ContainerSpec: { Image: 'db', Mounts } };
  const job = { Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } } };

  it.each([
    { what: 'tasks that would not come back', template: policy('none'), spec: {} },
    { what: 'tasks with counted attempts', template: policy('any', 3), spec: {} },
    { what: 'tasks of jobs that are not run twice', template: policy('none'), spec: job },
    { what: 'tasks of every node', template: cpus(8), spec: { Mode: { Global: {} } } },
  ])('$what never', ({ template, spec }) => {
    const board = new FakeBoard();
    board.node('a');
    board.service('low', template, spec);
    board.placed('low', 'a');
    board.service('high', cpus(8), priority(1));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
  });

  it.each([
    { what: 'jobs', template: cpus(8), spec: job },
    { what: 'tasks beside their data', template: sticky, spec: {} },
  ])('$what after two others', ({ template, spec }) => {
    const board = new FakeBoard();
    for (const id of ['a', 'b']) board.node(id);
    board.service('precious', template, priority(-100, spec));
    board.service('plain', cpus(4));
    const precious = board.placed('precious', 'a');
    const plain = [board.placed('plain', 'b'), board.placed('plain', 'b')];
    board.service('high', cpus(8), priority(1));
    board.tasks('high', 1);
    board.schedule();
    expect([...displaced(board)].sort()).toEqual([...plain].sort());
    board.tasks('high', 1);
    board.schedule();
    expect([...displaced(board)].sort()).toEqual([precious, ...plain].sort());
  });
});

describe('room that is being made', () => {
  it('is not taken by tasks of lower priority meanwhile', () => {
    const board = new FakeBoard();
    board.node('a');
    board.service('low', cpus(4));
    const ids = [board.placed('low', 'a'), board.placed('low', 'a')];
    board.service('high', cpus(8), priority(1));
    const [high = ''] = board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual(ids);
    const [back = ''] = board.tasks('low', 1);
    board.report(ids[0] ?? '', 'shutdown');
    board.schedule();
    expect(board.task(back).status.err).toContain(
      'room is being made for tasks of higher priority on 1 node',
    );
    board.report(ids[1] ?? '', 'shutdown');
    board.schedule();
    expect([board.task(high).nodeId, board.task(back).nodeId]).toEqual(['a', '']);
  });

  it('is for all again when the task is called off', () => {
    const board = new FakeBoard();
    board.node('a');
    board.service('low', cpus(4));
    const ids = [board.placed('low', 'a'), board.placed('low', 'a')];
    board.service('high', cpus(8), priority(1));
    const [high = ''] = board.tasks('high', 1);
    board.schedule();
    const [back = ''] = board.tasks('low', 1);
    board.report(ids[0] ?? '', 'shutdown');
    board.schedule();
    board.changeTask(high, { desired: 'shutdown' });
    board.schedule();
    expect(board.task(back).nodeId).toBe('a');
  });

  it('is made once for each task', () => {
    const board = new FakeBoard();
    for (const id of ['a', 'b', 'c']) board.node(id);
    board.service('low', cpus(8));
    for (const id of ['a', 'b', 'c']) board.placed('low', id);
    board.service('high', cpus(8), priority(1));
    const ids = board.tasks('high', 2);
    board.schedule();
    const by = displaced(board).map((id) => board.task(id).displaced?.by);
    expect(by.sort()).toEqual([...ids].sort());
  });
});

describe('bounds', () => {
  it('a task displaces only so many', () => {
    const board = new FakeBoard();
    board.node('a', { cpus: victimsPerTaskMax + 1 });
    board.service('low', cpus(1));
    for (let at = 0; at <= victimsPerTaskMax; at += 1) board.placed('low', 'a');
    board.service('high', cpus(victimsPerTaskMax + 1), priority(1));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([]);
    board.service('fair', cpus(victimsPerTaskMax), priority(1));
    board.tasks('fair', 1);
    board.schedule();
    expect(displaced(board)).toHaveLength(victimsPerTaskMax);
  });

  it('in a minute only so many give way, then the next do', () => {
    const board = new FakeBoard();
    const nodes = victimsPerMinuteMax + 1;
    board.service('low', cpus(8));
    for (let at = 0; at < nodes; at += 1) {
      board.node(`node${at}`);
      board.placed('low', `node${at}`);
    }
    board.service('high', cpus(8), priority(1));
    board.tasks('high', nodes);
    board.schedule();
    const times = displaced(board).map((id) => board.task(id).displaced?.at ?? 0);
    expect(times).toHaveLength(nodes);
    times.sort((a, b) => a - b);
    const first = times[0] ?? 0;
    expect(times.filter((at) => at < first + victimsWindowMs)).toHaveLength(victimsPerMinuteMax);
  });

  it('follow a label that changes', () => {
    const { board, tasks } = full();
    board.service('high', cpus(4));
    board.tasks('high', 1);
    board.schedule();
    expect(displaced(board)).toEqual([tasks['lower-b']]);
    const { board: other } = full();
    other.relabel('lower', {});
    other.service('high', cpus(4));
    other.tasks('high', 1);
    other.schedule();
    expect(displaced(other)).toEqual([]);
    other.relabel('low', { 'shoal.priority': '-1' });
    other.schedule();
    expect(displaced(other)).toHaveLength(1);
  });
});
