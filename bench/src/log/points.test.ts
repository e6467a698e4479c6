import { expect, it } from 'vitest';
import { rowOf } from './points.ts';

const rate = (perSecond: number) => ({ perSecond, p50Ms: 1 / perSecond, p99Ms: 2 / perSecond });

it('sets the best run of ours beside the best of etcd’s', () => {
  expect(rowOf(3, 100, [rate(10), rate(30), rate(20)], [rate(20), rate(12)])).toEqual({
    voters: 3,
    proposers: 100,
    commitsPerSecond: 30,
    p50Ms: 1 / 30,
    p99Ms: 2 / 30,
    etcdPerSecond: 20,
    etcdP50Ms: 1 / 20,
    etcdP99Ms: 2 / 20,
    ratio: 1.5,
  });
});

it('makes no row of nothing', () => {
  expect(() => rowOf(1, 1, [], [rate(1)])).toThrow('nothing was measured');
});
