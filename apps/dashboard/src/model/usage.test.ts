import { describe, expect, test } from 'vitest';
import { linePath, UsageHistory, type UsageSample } from './usage.ts';

const sample = (atMs: number, cpuSeconds: number, memoryBytes = 10): UsageSample => ({
  atMs,
  cpuSeconds,
  memoryBytes,
});

describe('what several containers use', () => {
  test('is the sum of what each kept busy since the look before', () => {
    const history = new UsageHistory();
    history.add(
      0,
      new Map([
        ['a', sample(0, 1)],
        ['b', sample(0, 5)],
      ]),
    );
    expect(history.points).toEqual([]);
    history.add(
      2_000,
      new Map([
        ['a', sample(2_000, 2)],
        ['b', sample(1_000, 5.5)],
      ]),
    );
    expect(history.points).toEqual([{ atMs: 2_000, processors: 1, memoryBytes: 20 }]);
  });

  test.each<[string, UsageSample, number]>([
    ['one that was started again counts from zero', sample(2_000, 0.5), 0],
    ['one that was not measured since adds nothing', sample(1_000, 9), 0],
  ])('%s', (_what, now, processors) => {
    const history = new UsageHistory();
    history.add(
      0,
      new Map([
        ['a', sample(1_000, 5)],
        ['b', sample(0, 0)],
      ]),
    );
    history.add(
      2_000,
      new Map([
        ['a', now],
        ['b', sample(1_000, 0)],
      ]),
    );
    expect(history.points.at(-1)?.processors).toBe(processors);
  });

  test('is nothing when none is left, and is kept for a while only', () => {
    const history = new UsageHistory();
    for (let at = 0; at < 500; at += 1)
      history.add(at * 1_000, new Map([['a', sample(at * 1_000, at)]]));
    history.add(500_000, new Map());
    expect(history.points).toHaveLength(120);
    expect(history.points.at(-1)).toEqual({ atMs: 500_000, processors: 0, memoryBytes: 0 });
    expect(history.points.at(-2)?.processors).toBe(1);
  });
});

test.each([
  [[], ''],
  [[1], ''],
  [[0, 5, 10], 'M0.0 20.0L50.0 10.0L100.0 0.0'],
  [[0, 99], 'M0.0 20.0L100.0 0.0'],
])('the line through %j', (values, path) => {
  expect(linePath(values, 100, 20, 10)).toBe(path);
});
