import type { Instant, LogIndex } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Fork, forkOf, forkSliceObjects } from './fork.ts';
import { State } from './state.ts';
import {
  create,
  node,
  remove,
  revision,
  service,
  task,
  transaction,
  update,
} from './testing/objects.ts';
import type { Change } from './transaction.ts';
import type { StateView } from './view.ts';

const at = 1_000 as Instant;

function stateOf(...changes: readonly Change[]): State {
  const state = new State();
  state.applyTransactions(1 as LogIndex, at, [transaction('t', changes)]);
  return state;
}

function fork(view: StateView): Fork {
  const steps = forkOf(view);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** All that can be read, in words. */
function told({ nodes, services, revisions, tasks, usage }: StateView): unknown {
  return {
    objects: [nodes, services, revisions, tasks].map((table) =>
      [...table.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    ),
    perNode: [...nodes.values()].map(({ id }) => ({
      tasks: [...tasks.byNode(id)].map((task) => task.id).sort(),
      // A copy: the state counts on in its own object.
      usage: structuredClone(usage(id)),
    })),
  };
}

const placed = (id: string, nodeId: string) =>
  task(id, 's', { nodeId, status: { state: 'running', at, message: '', err: '' } });

function small(): State {
  return stateOf(
    create('node', node('n1')),
    create('node', node('n2')),
    create('service', service('s')),
    create('revision', revision('s')),
    create('task', task('t1', 's')),
    create('task', placed('t2', 'n1')),
  );
}

test('a fork begins equal, and neither sees what the other writes', () => {
  const state = small();
  const copy = fork(state.view);
  expect(told(copy.view)).toEqual(told(state.view));
  expect(copy.view.index).toBe(state.view.index);
  const before = told(state.view);
  copy.write(at, [transaction('x', [create('node', node('n3')), remove('task', 't2', 1)])]);
  expect(told(state.view)).toEqual(before);
  expect(copy.view.tasks.get('t2')).toBeUndefined();
  state.applyTransactions(2 as LogIndex, at, [transaction('y', [create('node', node('n4'))])]);
  expect(copy.view.nodes.get('n4')).toBeUndefined();
});

test('a fork keeps the rules', () => {
  const copy = fork(small().view);
  const wrong = update('node', {
    ...node('n1'),
    meta: { ...node('n1').meta, version: 7 as LogIndex },
  });
  const entry = copy.write(at, [transaction('x', [wrong])]);
  expect(entry.outcomes).toMatchObject([
    { kind: 'refused', refusal: { kind: 'version-conflict' } },
  ]);
});

test('what is copied is settled at the first step, whatever the original does meanwhile', () => {
  const nodes = Array.from({ length: forkSliceObjects + 1 }, (_, n) =>
    create('node', node(`n${n}`)),
  );
  const state = stateOf(...nodes);
  const steps = forkOf(state.view);
  expect(steps.next().done).toBe(false);
  state.applyTransactions(2 as LogIndex, at, [transaction('y', [remove('node', 'n5', 1)])]);
  const last = steps.next();
  expect(last.done && last.value.view.nodes.size).toBe(forkSliceObjects + 1);
});

test('rewinding leads back to the mark, whatever was written', () => {
  const moves = fc.array(
    fc.record({
      op: fc.constantFrom('create', 'move', 'delete', 'node', 'refused'),
      id: fc.integer({ min: 1, max: 6 }),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(moves, (list) => {
      const copy = fork(small().view);
      copy.mark();
      const before = told(copy.view);
      for (const { op, id } of list) {
        const current = copy.view.tasks.get(`t${id}`);
        const change =
          op === 'create'
            ? create('task', placed(`t${id}`, 'n2'))
            : op === 'node'
              ? create('node', node(`n${id}`))
              : op === 'refused'
                ? remove('node', 'nobody', 1)
                : current &&
                  (op === 'delete'
                    ? remove('task', current.id, current.meta.version)
                    : update('task', { ...placed(current.id, 'n2'), meta: current.meta }));
        if (change !== undefined) copy.write(at, [transaction('x', [change])]);
      }
      const back = copy.rewind();
      expect(told(copy.view)).toEqual(before);
      expect(copy.rewind()).toEqual([]);
      for (const { before: was, after } of back) expect(was).not.toBe(after);
    }),
    { numRuns: 60 },
  );
});
