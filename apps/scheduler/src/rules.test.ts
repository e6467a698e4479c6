import type { GenericResource, Task } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { failuresThatMakeSuspect } from './failures.ts';
import { placementsPerStepMax } from './scheduler.ts';
import { FakeBoard } from './testing/fake-board.ts';

// The rules of Swarm's scheduler, one by one, beyond what the filters say of one node.

function boardOf(nodes: number): FakeBoard {
  const board = new FakeBoard();
  for (let at = 1; at <= nodes; at += 1) board.node(`node${at}`);
  return board;
}

function sorted(counts: Record<string, number>): number[] {
  return Object.values(counts).sort((a, b) => a - b);
}

const named = (...names: string[]): GenericResource[] =>
  names.map((Value) => ({ NamedResourceSpec: { Kind: 'gpu', Value } }));
const discrete = (Value: number): GenericResource[] => [
  { DiscreteResourceSpec: { Kind: 'gpu', Value } },
];

function gpuNode(board: FakeBoard, id: string, GenericResources: GenericResource[]): void {
  board.node(id);
  board.changeNode(id, ({ description }) => ({
    description: description && { ...description, Resources: { GenericResources } },
  }));
}

function gpuService(board: FakeBoard, id: string, amount: number): void {
  board.service(id, { Resources: { Reservations: { GenericResources: discrete(amount) } } });
}

describe('generic resources', () => {
  it('named ones are given by name, each to one task', () => {
    const board = new FakeBoard();
    gpuNode(board, 'node1', named('a', 'b', 'c', 'd'));
    gpuService(board, 'web', 2);
    const ids = board.tasks('web', 3);
    board.schedule();
    const given = ids.map((id) => board.task(id).genericResources);
    expect(given).toEqual([named('a', 'b'), named('c', 'd'), undefined]);
    expect(board.refusals).toEqual([]);
  });

  it('names come free when their task ends, and are given again', () => {
    const board = new FakeBoard();
    gpuNode(board, 'node1', named('a', 'b'));
    gpuService(board, 'web', 1);
    const [first = ''] = board.tasks('web', 2);
    board.schedule();
    board.end(first, 'complete');
    const [next = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(next).genericResources).toEqual(named('a'));
  });

  it('discrete ones are given by number', () => {
    const board = new FakeBoard();
    gpuNode(board, 'node1', discrete(4));
    gpuService(board, 'web', 3);
    const [first = '', second = ''] = board.tasks('web', 2);
    board.schedule();
    expect(board.task(first).genericResources).toEqual(discrete(3));
    expect(board.task(second).status.err).toContain('node1 is closest, it lacks 2 gpu');
  });

  it('a preassigned task is given its share of its own node', () => {
    const board = new FakeBoard();
    gpuNode(board, 'node1', named('a'));
    gpuService(board, 'agent', 1);
    const [id = ''] = board.tasks('agent', 1, { slot: 0, nodeId: 'node1' });
    board.schedule();
    expect(board.task(id).genericResources).toEqual(named('a'));
  });

  it('a task that asks for none has none', () => {
    const board = boardOf(1);
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect('genericResources' in board.task(id)).toBe(false);
  });
});

describe('what tasks reserve', () => {
  const half = { Resources: { Reservations: { NanoCPUs: 4e9 } } };
  const states: readonly (readonly [Task['status']['state'], number])[] = [
    ['assigned', 1],
    ['preparing', 1],
    ['running', 1],
    ['complete', 2],
    ['shutdown', 2],
    ['failed', 2],
    ['rejected', 2],
    ['orphaned', 2],
  ];

  it.each(states)('a task in state %s leaves room for %i more', (state, room) => {
    const board = boardOf(1);
    board.service('web', half);
    board.placed('web', 'node1', state);
    const ids = board.tasks('web', 2);
    board.schedule();
    expect(ids.filter((id) => board.task(id).nodeId !== '')).toHaveLength(room);
  });

  it('a task that was told to stop holds until it has stopped', () => {
    const board = boardOf(1);
    board.service('web', { Resources: { Reservations: { NanoCPUs: 8e9 } } });
    const held = board.placed('web', 'node1');
    board.changeTask(held, { desired: 'shutdown' });
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('');
    board.end(held, 'shutdown');
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });

  it('spreads by service among the nodes that have room', () => {
    const board = new FakeBoard();
    board.node('small', { memory: 1e9 });
    for (const id of ['a', 'b']) board.node(id, { memory: 16e9 });
    board.service('web', { Resources: { Reservations: { MemoryBytes: 1e9 } } });
    board.tasks('web', 9);
    board.schedule();
    expect(board.counts()).toEqual({ small: 1, a: 4, b: 4 });
  });
});

describe('nodes that come and go', () => {
  it('a node that was emptied gets all the next tasks', () => {
    const board = boardOf(5);
    board.service('one');
    board.tasks('one', 20);
    board.schedule();
    for (const task of [...board.state.view.tasks.byNode('node3')]) board.end(task.id, 'complete');
    const ids = board.tasks('one', 4);
    board.schedule();
    expect(ids.map((id) => board.task(id).nodeId)).toEqual(Array(4).fill('node3'));
  });

  it('a node that is down gets nothing until it is back', () => {
    const board = boardOf(2);
    board.changeNode('node1', ({ status }) => ({ status: { ...status, state: 'down' } }));
    board.service('web');
    board.tasks('web', 4);
    board.schedule();
    expect(board.counts()).toEqual({ node1: 0, node2: 4 });
    board.changeNode('node1', ({ status }) => ({ status: { ...status, state: 'ready' } }));
    board.tasks('web', 4);
    board.schedule();
    expect(board.counts()).toEqual({ node1: 4, node2: 4 });
  });

  it('a node that was removed is forgotten, also while tasks wait', () => {
    const board = boardOf(2);
    board.service('web', { Resources: { Reservations: { NanoCPUs: 9e9 } } });
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    const { version } = board.state.view.nodes.get('node1')?.meta ?? { version: 0 as never };
    board.write([{ op: 'delete', table: 'node', id: 'node1', version }]);
    board.schedule();
    expect(board.task(id).status.err).toBe(
      'no suitable node (insufficient resources on 1 node): node2 is closest, it lacks 1 CPU',
    );
  });

  it('a node that comes is found by tasks that wait', () => {
    const board = boardOf(1);
    board.service('web', { Placement: { Constraints: ['node.labels.disk==ssd'] } });
    const ids = board.tasks('web', 3);
    board.schedule();
    board.node('node2', { labels: { disk: 'ssd' } });
    board.schedule();
    expect(ids.map((id) => board.task(id).nodeId)).toEqual(Array(3).fill('node2'));
  });

  it('a label that changes is heard of', () => {
    const board = boardOf(2);
    board.service('web', { Placement: { Constraints: ['node.labels.disk!=hdd'] } });
    board.tasks('web', 2);
    board.schedule();
    board.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Labels: { disk: 'hdd' } } }));
    board.tasks('web', 4);
    board.schedule();
    expect(board.counts()).toEqual({ node1: 1, node2: 5 });
  });
});

describe('spread preferences', () => {
  const by = (...labels: string[]) => ({
    Placement: {
      Preferences: labels.map((label) => ({ Spread: { SpreadDescriptor: label } })),
    },
  });

  function racks(): FakeBoard {
    const board = new FakeBoard();
    board.node('a', { labels: { az: 'az1', rack: 'r1' } });
    board.node('b', { labels: { az: 'az1', rack: 'r1' } });
    board.node('c', { labels: { az: 'az1', rack: 'r2' } });
    board.node('d', { labels: { az: 'az2', rack: 'r1' } });
    return board;
  }

  it('nest: zones first, then the racks of each', () => {
    const board = racks();
    board.service('web', by('node.labels.az', 'node.labels.rack'));
    board.tasks('web', 8);
    board.schedule();
    expect(board.counts()).toEqual({ a: 1, b: 1, c: 2, d: 4 });
  });

  it('hold when a service is scaled up later', () => {
    const board = racks();
    board.service('web', by('node.labels.az', 'node.labels.rack'));
    for (let scale = 0; scale < 8; scale += 1) {
      board.tasks('web', 1);
      board.schedule();
    }
    expect(board.counts()).toEqual({ a: 1, b: 1, c: 2, d: 4 });
  });

  it('put nodes without the label together, as a branch of its own', () => {
    const board = new FakeBoard();
    board.node('a', { labels: { az: 'az1' } });
    board.node('b');
    board.node('c');
    board.service('web', by('node.labels.az'));
    board.tasks('web', 4);
    board.schedule();
    expect(board.counts()).toEqual({ a: 2, b: 1, c: 1 });
  });

  it('read labels of the engine too, and ignore what is no label', () => {
    const board = new FakeBoard();
    board.node('a', { engineLabels: { az: 'az1' } });
    for (const id of ['b', 'c']) board.node(id, { engineLabels: { az: 'az2' } });
    board.service('web', by('node.hostname', 'engine.labels.az'));
    board.tasks('web', 4);
    board.schedule();
    expect(board.counts()).toEqual({ a: 2, b: 1, c: 1 });
  });

  it('count tasks on nodes that cannot take more', () => {
    const board = new FakeBoard();
    board.node('a', { labels: { az: 'az1' } });
    board.node('full', { labels: { az: 'az1' }, cpus: 3 });
    board.node('b', { labels: { az: 'az2' } });
    board.service('web', {
      ...by('node.labels.az'),
      Resources: { Reservations: { NanoCPUs: 1e9 } },
    });
    for (let at = 0; at < 3; at += 1) board.placed('web', 'full');
    board.tasks('web', 3);
    board.schedule();
    expect(board.counts()).toEqual({ a: 0, full: 3, b: 3 });
  });

  it('different services begin in different zones', () => {
    const board = racks();
    for (let at = 0; at < 20; at += 1) {
      board.service(`service${at}`, by('node.labels.az'));
      board.tasks(`service${at}`, 1);
    }
    board.schedule();
    const { d = 0 } = board.counts();
    expect(d).toBeGreaterThan(4);
    expect(d).toBeLessThan(16);
  });
});

describe('failures', () => {
  it('of preassigned tasks are not counted', () => {
    const board = boardOf(1);
    board.service('web');
    for (let at = 0; at < failuresThatMakeSuspect; at += 1) {
      const [id = ''] = board.tasks('web', 1, { slot: 0, nodeId: 'node1' });
      board.schedule();
      board.end(id);
    }
    board.node('node2');
    board.service('other');
    board.placed('other', 'node2');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });

  it('are forgiven when the service has a new revision', () => {
    const board = boardOf(1);
    board.service('web');
    for (let at = 0; at < failuresThatMakeSuspect; at += 1) board.end(board.placed('web', 'node1'));
    board.node('node2');
    board.service('other');
    board.placed('other', 'node2');
    board.relabel('web', { new: '1' });
    const [id = ''] = board.tasks('web', 1, { revision: 2 });
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });

  it('are remembered though the history of tasks is short', () => {
    const board = boardOf(2);
    board.service('web');
    board.service('other');
    for (let at = 0; at < 3; at += 1) board.placed('other', 'node2');
    for (let at = 0; at < failuresThatMakeSuspect; at += 1) {
      const [id = ''] = board.tasks('web', 1);
      board.schedule();
      expect(board.task(id).nodeId).toBe('node1');
      board.end(id);
      const { version } = board.task(id).meta;
      board.write([{ op: 'delete', table: 'task', id, version }]);
    }
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe('node2');
  });
});

describe('tasks that are not to be placed', () => {
  it('of a service that was removed get no node', () => {
    const board = new FakeBoard();
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    board.removeService('web');
    board.node('node1');
    board.schedule();
    expect(board.task(id).nodeId).toBe('');
  });

  it('of an old revision that were told to stop end as shut down', () => {
    const board = new FakeBoard();
    board.service('web');
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    board.changeTask(id, { desired: 'shutdown' });
    board.schedule();
    expect(board.task(id).status).toMatchObject({ state: 'shutdown', err: '' });
  });

  it.each(['new', 'complete', 'failed'] as const)('in state %s are left alone', (state) => {
    const board = boardOf(1);
    board.service('web');
    const status = { state, at: board.now, message: '', err: '' };
    const [id = ''] = board.tasks('web', 1, { status });
    board.schedule();
    expect(board.task(id)).toMatchObject({ nodeId: '', status: { state } });
  });
});

describe('a group larger than one step', () => {
  it('is placed whole, step by step', () => {
    const board = boardOf(7);
    board.service('web');
    board.tasks('web', placementsPerStepMax + 1);
    board.schedule();
    const counts = sorted(board.counts());
    expect((counts[6] ?? 0) - (counts[0] ?? 0)).toBeLessThanOrEqual(1);
    expect(counts.reduce((sum, count) => sum + count)).toBe(placementsPerStepMax + 1);
  });
});
