import type { Instant, LogIndex } from '@shoal/runtime';
import { expect, test } from 'vitest';
import type { GroupDecision } from './decision.ts';
import { answer } from './serve.ts';
import { DecisionStore, decisionsMax, namesMax } from './store.ts';

const decision = (number: number, placed = 1, serviceId = 'web'): GroupDecision => ({
  serviceId,
  revision: 1,
  at: number as Instant,
  logIndex: number as LogIndex,
  placed: Array.from({ length: placed }, (_, at) => ({ taskId: `t${number}.${at}`, nodeId: 'n1' })),
  waiting: [`w${number}`],
  err: 'no suitable node',
  look: undefined,
});

const none = new Set<string>();
const indexes = (found: readonly GroupDecision[]): number[] =>
  found.map(({ logIndex }) => logIndex);

test('decisions are found by service and task, newest first', () => {
  const store = new DecisionStore();
  for (let n = 1; n <= 4; n += 1) store.add(decision(n, 2, n === 3 ? 'api' : 'web'));
  expect(indexes(store.find('web', none, 10))).toEqual([4, 2, 1]);
  expect(indexes(store.find('web', none, 2))).toEqual([4, 2]);
  expect(indexes(store.find('web', new Set(['t2.1']), 10))).toEqual([2]);
  expect(indexes(store.find('web', new Set(['w1', 'w4']), 10))).toEqual([4, 1]);
  expect(store.find('db', none, 10)).toEqual([]);
});

test('the oldest go when there are too many', () => {
  const store = new DecisionStore();
  for (let n = 1; n <= 3 * decisionsMax; n += 1) store.add(decision(n));
  expect(store.size).toBe(decisionsMax);
  expect(indexes(store.find('web', none, 1))).toEqual([3 * decisionsMax]);
  expect(store.find('web', new Set(['w5']), 1)).toEqual([]);
});

test('a few large decisions push the others out too, and the newest always stays', () => {
  const store = new DecisionStore();
  for (let n = 1; n <= 10; n += 1) store.add(decision(n, namesMax / 8));
  expect(store.size).toBe(3);
  store.add(decision(11, namesMax));
  expect(indexes(store.find('web', none, 10))).toEqual([11]);
});

test('an answer names the tasks that were asked for, and is bounded', () => {
  const store = new DecisionStore();
  for (let n = 1; n <= 100; n += 1) store.add(decision(n, 1_000));
  const view = { index: 7 as LogIndex } as Parameters<typeof answer>[0]['view'];
  const source = { store, view, clock: { now: () => 0 } } as unknown as Parameters<
    typeof answer
  >[0];
  const request = { serviceId: 'web', taskIds: [], decisionsMax: 1_000_000, look: false };
  const all = answer(source, request);
  expect(all.decisions).toHaveLength(50);
  expect(all.decisions[0]?.placed).toHaveLength(200);
  const one = answer(source, { ...request, taskIds: ['t9.999'] });
  expect(one.decisions).toMatchObject([
    { logIndex: 9, placed: [{ taskId: 't9.999' }], waiting: 1 },
  ]);
});
