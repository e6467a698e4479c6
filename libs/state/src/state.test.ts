import { CataloguedError, type Instant, type LogIndex } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import {
  type AppliedChange,
  replicasOnNode,
  State,
  type Task,
  type WatchSelector,
  watchersMax,
} from './index.ts';
import { applyNext, commit, outcomeOf } from './testing/bytes.ts';
import {
  atMost,
  create,
  meta,
  node,
  observed,
  publishing,
  remove,
  reserving,
  revision,
  service,
  task,
  transaction,
  update,
} from './testing/objects.ts';

function at<T extends { meta: unknown }>(object: T, version: number): T {
  return { ...object, meta: meta(version) };
}

function idsOf(objects: Iterable<{ readonly id: string }>): readonly string[] {
  return Array.from(objects, ({ id }) => id);
}

const web = [create('service', service('web')), create('revision', revision('web'))];
const running: Partial<Task> = { nodeId: 'n1', status: observed('running') };

describe('meta', () => {
  test('is the state machine’s own: version and times of the entries', () => {
    const state = new State();
    const first = { ...node('n1'), meta: { ...meta(99), createdAt: 5 as Instant } };
    commit(state, transaction('a', [create('node', first)]));
    expect(state.view.nodes.get('n1')?.meta).toEqual({
      version: 1,
      createdAt: 1_000,
      updatedAt: 1_000,
    });
    commit(state, transaction('b', [update('node', at(node('n1'), 1))]));
    expect(state.view.nodes.get('n1')?.meta).toEqual({
      version: 2,
      createdAt: 1_000,
      updatedAt: 2_000,
    });
  });

  test('has the same version for all transactions of an entry, judged one after the other', () => {
    const state = new State();
    commit(state, transaction('a', [create('node', node('n1'))]));
    const write = (id: string) => transaction(id, [update('node', at(node('n1'), 1))]);
    const { outcomes, changes } = applyNext(state, write('b'), write('c'));
    expect(outcomes).toMatchObject([
      { kind: 'committed', transaction: 'b', index: 2 },
      {
        kind: 'refused',
        transaction: 'c',
        refusal: { kind: 'version-conflict', read: 1, current: 2 },
      },
    ]);
    expect(changes).toHaveLength(1);
  });
});

describe('a transaction that writes an object more than once', () => {
  test('names 0 for what it created itself', () => {
    const state = new State();
    const twice = [create('node', node('n1')), update('node', at(node('n1', {}, 'b'), 0))];
    commit(
      state,
      transaction('a', [...twice, remove('node', 'n1', 0), create('node', node('n1'))]),
    );
    expect(state.view.nodes.get('n1')?.description?.Hostname).toBe('host-n1');
  });

  test('names the version it read for what was there', () => {
    const state = new State();
    commit(state, transaction('a', [create('node', node('n1'))]));
    const again = [1, 2, 3].map((n) => update('node', at(node('n1', {}, `h${n}`), 1)));
    const { changes } = commit(state, transaction('b', again));
    expect(changes.map(({ before, after }) => [before?.meta.version, after?.meta.version])).toEqual(
      [
        [1, 2],
        [2, 2],
        [2, 2],
      ],
    );
    expect(state.view.nodes.byHostname('h3')).toHaveLength(1);
  });

  test('cannot use the rights of another transaction of the entry', () => {
    const state = new State();
    const { outcomes } = applyNext(
      state,
      transaction('a', [create('node', node('n1'))]),
      transaction('b', [update('node', at(node('n1'), 0))]),
    );
    expect(outcomes[1]).toMatchObject({
      refusal: { kind: 'version-conflict', read: 0, current: 1 },
    });
  });
});

describe('what a task holds on its node', () => {
  function placed(...tasks: readonly Task[]): State {
    const state = new State();
    const demanding = reserving('web', { NanoCPUs: 2, MemoryBytes: 10 });
    commit(
      state,
      transaction('a', [
        create('node', node('n1', { NanoCPUs: 4, MemoryBytes: 20 })),
        create('service', service('web')),
        create('revision', demanding),
        ...tasks.map((one) => create('task', one)),
      ]),
    );
    return state;
  }

  test.each([
    ['new', 0],
    ['pending', 0],
    ['assigned', 1],
    ['preparing', 1],
    ['running', 1],
    ['complete', 0],
    ['failed', 0],
    ['orphaned', 0],
  ] as const)('in state %s: %i', (stateName, tasks) => {
    const state = placed(task('t1', 'web', { nodeId: 'n1', status: observed(stateName) }));
    expect(state.view.usage('n1')).toMatchObject({
      tasks,
      nanoCpus: 2 * tasks,
      memoryBytes: 10 * tasks,
    });
  });

  test('is kept when the node shrinks, but nothing new fits', () => {
    const state = placed(task('t1', 'web', running), task('t2', 'web'));
    commit(state, transaction('b', [update('node', at(node('n1', { NanoCPUs: 1 }), 1))]));
    const told = { ...running, desired: 'shutdown' } as const;
    commit(state, transaction('c', [update('task', at(task('t1', 'web', told), 1))]));
    expect(state.view.usage('n1').nanoCpus).toBe(2);
    const assign = update('task', at(task('t2', 'web', running), 1));
    const refusal = { kind: 'over-capacity', resource: 'cpu', asked: 2, free: -1 };
    expect(outcomeOf(state, transaction('d', [assign]))).toMatchObject({ refusal });
  });

  test('is free again when it stops, and when it is deleted', () => {
    const state = placed(task('t1', 'web', running), task('t2', 'web', running));
    const stopped = task('t1', 'web', { nodeId: 'n1', status: observed('failed') });
    commit(state, transaction('b', [update('task', at(stopped, 1)), remove('task', 't2', 1)]));
    expect(state.view.usage('n1')).toMatchObject({ tasks: 0, nanoCpus: 0, memoryBytes: 0 });
    expect(state.view.usage('n1').tasksByService.size).toBe(0);
    commit(state, transaction('c', [create('task', task('t3', 'web', running))]));
  });

  test('frees its port within the transaction that hands it over', () => {
    const state = new State();
    const made = [create('node', node('n1')), create('service', service('web'))];
    const first = create('task', task('t1', 'web', running));
    commit(state, transaction('a', [...made, create('revision', publishing('web', 80)), first]));
    const ended = task('t1', 'web', { nodeId: 'n1', status: observed('shutdown') });
    const next = create('task', task('t2', 'web', running));
    commit(state, transaction('b', [update('task', at(ended, 1)), next]));
    expect([...state.view.usage('n1').hostPorts]).toEqual([['tcp/80', 1]]);
  });

  test('does not count as a replica once it is told to stop', () => {
    const state = new State();
    const made = [create('node', node('n1')), create('service', service('web'))];
    const leaving = task('t1', 'web', { ...running, desired: 'shutdown' });
    const changes = [create('revision', atMost('web', 1)), create('task', leaving)];
    commit(state, transaction('a', [...made, ...changes]));
    expect(replicasOnNode(state.view, 'n1', 'web')).toBe(0);
    commit(state, transaction('b', [create('task', task('t2', 'web', running))]));
    expect(replicasOnNode(state.view, 'n1', 'web')).toBe(1);
    expect(state.view.usage('n1').tasksByService.get('web')).toBe(2);
  });
});

describe('a service that is deleted', () => {
  test('leaves its tasks and revisions, which end one by one', () => {
    const state = new State();
    const tasks = [create('node', node('n1')), create('task', task('t1', 'web', running))];
    commit(state, transaction('a', [...web, ...tasks]));
    commit(state, transaction('b', [remove('service', 'web', 1)]));
    const stopped = task('t1', 'web', { nodeId: 'n1', status: observed('shutdown') });
    commit(state, transaction('c', [update('task', at(stopped, 1))]));
    commit(state, transaction('d', [remove('task', 't1', 3), remove('revision', 'web.1', 1)]));
    expect(state.view.tasks.size + state.view.revisions.size + state.view.services.size).toBe(0);
  });

  test('frees its name', () => {
    const state = new State();
    commit(state, transaction('a', web));
    const again = [create('service', service('w2', 'Web')), create('revision', revision('w2'))];
    commit(state, transaction('b', [remove('service', 'web', 1), ...again]));
    expect(state.view.services.byName('WEB')?.id).toBe('w2');
  });
});

describe('order', () => {
  test('is that of creation, whatever was assigned first', () => {
    const state = new State();
    const tasks = ['t1', 't2', 't3'].map((id) => create('task', task(id, 'web')));
    commit(state, transaction('a', [create('node', node('n1')), ...web, ...tasks]));
    for (const id of ['t3', 't1', 't2'])
      commit(state, transaction(id, [update('task', at(task(id, 'web', running), 1))]));
    expect(idsOf(state.view.tasks.byNode('n1'))).toEqual(['t1', 't2', 't3']);
    expect(idsOf(state.view.tasks.byState('running'))).toEqual(['t1', 't2', 't3']);
  });

  test('survives a delete that is undone', () => {
    const state = new State();
    const nodes = ['n1', 'n2', 'n3'].map((id) => create('node', node(id, {}, 'same')));
    commit(state, transaction('a', nodes));
    outcomeOf(state, transaction('b', [remove('node', 'n1', 1), remove('node', 'n9', 1)]));
    expect(idsOf(state.view.nodes.values())).toEqual(['n1', 'n2', 'n3']);
    expect(idsOf(state.view.nodes.byHostname('same'))).toEqual(['n1', 'n2', 'n3']);
  });

  test('prefixes answer in it, up to the limit', () => {
    const state = new State();
    const ids = ['ab2', 'b', 'ab1', 'ab3'];
    commit(
      state,
      transaction(
        'a',
        ids.map((id) => create('node', node(id))),
      ),
    );
    expect(idsOf(state.view.nodes.byIdPrefix('ab', 2))).toEqual(['ab2', 'ab1']);
    expect(state.view.nodes.byIdPrefix('x', 2)).toEqual([]);
  });
});

describe('watching', () => {
  const cases: readonly [string, WatchSelector, readonly string[]][] = [
    ['a table', { table: 'task' }, ['t1', 't2', 't1']],
    ['an object', { table: 'task', id: 't1' }, ['t1', 't1']],
    ['a service’s tasks', { table: 'task', serviceId: 'web' }, ['t1', 't2', 't1']],
    ['another service’s tasks', { table: 'task', serviceId: 'db' }, []],
    ['a node’s tasks', { table: 'task', nodeId: 'n1' }, ['t1']],
    ['an object of another service', { table: 'task', id: 't1', serviceId: 'db' }, []],
    ['a service', { table: 'service', serviceId: 'web' }, ['web']],
    ['a service’s revisions', { table: 'revision', serviceId: 'web' }, ['web.1']],
    ['a node', { table: 'node', nodeId: 'n1' }, ['n1']],
  ];

  test.each(cases)('%s tells of its committed changes alone', (_what, selector, expected) => {
    const state = new State();
    const heard: string[] = [];
    const stop = state.watch(selector, ({ id }) => heard.push(id));
    const tasks = ['t1', 't2'].map((id) => create('task', task(id, 'web')));
    commit(state, transaction('a', [create('node', node('n1')), ...web, ...tasks]));
    outcomeOf(state, transaction('b', [remove('task', 't1', 1), remove('task', 't9', 1)]));
    commit(state, transaction('c', [update('task', at(task('t1', 'web', running), 1))]));
    stop();
    stop();
    commit(state, transaction('d', [remove('task', 't1', 3)]));
    expect(heard).toEqual(expected);
  });

  test('shows the state with the whole entry in it', () => {
    const state = new State();
    const seen: [AppliedChange, number, number][] = [];
    state.watch({ table: 'node' }, (change, entry) =>
      seen.push([change, entry.index, state.view.nodes.size]),
    );
    const both = [create('node', node('n1')), create('node', node('n2'))];
    commit(state, transaction('a', both));
    expect(seen.map(([{ id, before }, index, size]) => [id, before, index, size])).toEqual([
      ['n1', undefined, 1, 2],
      ['n2', undefined, 1, 2],
    ]);
  });

  test('is bounded, and a place that was given back can be taken', () => {
    const state = new State();
    const stops = Array.from({ length: watchersMax }, () =>
      state.watch({ table: 'task' }, () => undefined),
    );
    const more = () => state.watch({ table: 'task' }, () => undefined);
    expect(more).toThrow(CataloguedError);
    stops[0]?.();
    expect(more).not.toThrow();
  });
});

test('an entry is applied once', () => {
  const state = new State();
  state.advance(1 as LogIndex);
  expect(state.view.index).toBe(1);
  expect(() => state.applyTransactions(1 as LogIndex, 1 as Instant, [])).toThrow(/twice/);
});
