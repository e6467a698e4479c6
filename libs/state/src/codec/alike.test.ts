import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Change, decodeTransaction, encodeTransaction } from '../index.ts';
import {
  create,
  meta,
  node,
  observed,
  remove,
  task,
  transaction,
  update,
} from '../testing/objects.ts';
import { condensed, expanded } from './alike.ts';
import { changesMax } from './format.ts';

const max = 100;
const waiting = observed('pending', 'no suitable node');

function crowd(count: number): readonly Change[] {
  return Array.from({ length: count }, (_, at) =>
    create('task', task(`t${at}`, 's', { slot: at + 1, status: { ...waiting } })),
  );
}

function json(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function thereAndBack(changes: readonly Change[]): unknown {
  return expanded(json(condensed(changes)) as readonly unknown[], max);
}

describe('changes that are alike', () => {
  test('are one, and say once what they have in common', () => {
    const [run, ...others] = condensed(crowd(50));
    expect(others).toEqual([]);
    const { id, slot, ...common } = task('t0', 's', { slot: 1, status: waiting });
    expect(json(run)).toEqual({
      op: 'create',
      table: 'task',
      each: json({ ...common, id: null, slot: null }),
      objects: Array.from({ length: 50 }, (_, at) => ({ id: `t${at}`, slot: at + 1 })),
    });
  });

  test('are a crowd of tasks, whose entry is a fifth as long', () => {
    const whole = transaction('crowd', crowd(200));
    const plain = JSON.stringify(whole).length;
    expect(encodeTransaction(whole).length).toBeLessThan(plain / 5);
  });

  test('come back with their members in the order they had, and share what they have in common', () => {
    const changes = crowd(8);
    const back = thereAndBack(changes) as { object: { status: object } }[];
    expect(JSON.stringify(back)).toBe(JSON.stringify(changes));
    expect(back[7]?.object.status).toBe(back[0]?.object.status);
  });

  const [one, two, three] = crowd(3) as [Change, Change, Change];
  const kinds: readonly [string, readonly Change[], number][] = [
    ['are none', [], 0],
    ['are too few', [one, two, three], 3],
    ['are interrupted', [...crowd(4), remove('task', 'x', 1), ...crowd(4)], 3],
    ['are of different kinds', [...crowd(4), update('node', node('n')), ...crowd(4)], 3],
    ['are creates and updates', [...crowd(4), ...crowd(4).map(asUpdate)], 2],
    ['have different members', [...crowd(3), withMore(one, { jobIteration: 1 }), two, three], 6],
    ['do not say what others say', [...crowd(4), withMore(one, { desired: undefined })], 2],
    ['are deletes', [1, 2, 3, 4, 5].map((at) => remove('task', `t${at}`, at)), 5],
  ];

  test.each(kinds)('that %s', (_which, changes, written) => {
    expect(condensed(changes)).toHaveLength(written);
    expect(thereAndBack(changes)).toEqual(json(changes));
  });

  test('that have a member of an unusual name', () => {
    const members = [1, 2, 3, 4, 5].map((value) => `{"id":"t","__proto__":${value}}`);
    const changes = members.map((object) => ({
      ...{ op: 'create', table: 'task' },
      object: JSON.parse(object),
    })) as unknown as Change[];
    expect(JSON.stringify(thereAndBack(changes))).toBe(JSON.stringify(changes));
  });

  const values = fc.oneof(
    fc.constantFrom(0, 1, null, '', undefined, 'a'),
    fc.constantFrom({ a: 1 }, { a: 1, b: [1] }, { a: undefined }, { b: undefined }, [], [1], {}),
  );
  const objects = fc.record(
    { id: values, status: values, ['__proto__']: values },
    { requiredKeys: ['id'] },
  );
  const changes = fc.array(
    fc.record({ op: fc.constantFrom('create', 'update'), object: objects }),
    { maxLength: 12 },
  );

  test('whatever they say, they come back as if each had been written by itself', () => {
    fc.assert(
      fc.property(changes, (drawn) => {
        const whole = drawn.map((one) => ({ ...one, table: 'task' })) as unknown as Change[];
        expect(thereAndBack(whole)).toEqual(json(whole));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a run from a source that need not be trusted', () => {
  const own = { id: 'a' };
  const each = json(task('', 's'));
  const cases: readonly [string, unknown, RegExp][] = [
    ['of nothing', { op: 'create', table: 'task', each, objects: [] }, /^ok$/],
    ['of objects', { op: 'create', table: 'task', each, objects: [own] }, /^ok$/],
    ['of no objects', { op: 'create', table: 'task', each, objects: [7] }, /task is no object/],
    ['without ids', { op: 'create', table: 'task', each, objects: [{}] }, /no id/],
    ['of deletes', { op: 'delete', table: 'task', each, objects: [own] }, /id and a version/],
    ['of another table', { op: 'create', table: 'x', each, objects: [own] }, /no such table/],
    [
      'of more than there may be',
      { op: 'create', table: 'task', each, objects: Array(changesMax + 1).fill(own) },
      /list of at most/,
    ],
  ];

  test.each(cases)('%s', (_which, run, message) => {
    const changes = [run] as unknown as Change[];
    const bytes = new TextEncoder().encode(JSON.stringify({ ...transaction('t', []), changes }));
    const decoded = decodeTransaction(bytes);
    expect(decoded.kind === 'ok' ? 'ok' : decoded.message).toMatch(message);
  });

  test('several that are too many together', () => {
    const run = { op: 'create', table: 'task', each, objects: Array(60).fill(own) };
    expect(expanded([run], max)).toHaveLength(60);
    expect(expanded([run, run], max)).toBeUndefined();
    expect(expanded([run, ...Array(41).fill(one())], max)).toBeUndefined();
  });
});

function one(): Change {
  return create('task', task('t', 's'));
}

function asUpdate(change: Change): Change {
  if (change.op !== 'create' || change.table !== 'task') return change;
  return update('task', { ...change.object, meta: meta(3) });
}

function withMore(change: Change, more: object): Change {
  if (change.op !== 'create' || change.table !== 'task') return change;
  return create('task', { ...change.object, ...more });
}
