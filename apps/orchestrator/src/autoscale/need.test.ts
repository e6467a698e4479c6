import type { Autoscale, TaskLoad } from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { needOf } from './need.ts';

const byProcessors: Autoscale = {
  ...{ min: 1, max: 1_000, downAfterMs: 0, advises: false },
  processors: 0.5,
};
const byBoth: Autoscale = { ...byProcessors, memoryBytes: 100 };

function busy(...processors: readonly number[]): readonly TaskLoad[] {
  return processors.map((one) => ({ processors: one, memoryBytes: 100 }));
}

test.each<[string, readonly number[], number, number]>([
  ['as many as there are when it is as aimed at', [0.5, 0.5], 2, 2],
  ['so many that each has its share', [1, 1], 2, 4],
  ['the next whole number', [0.7, 0.7], 2, 3],
  ['nothing else for a tenth too much', [0.55, 0.55], 2, 2],
  ['nothing else for a tenth too little', [0.46, 0.45], 2, 2],
  ['fewer for half the load', [0.25, 0.25, 0.25, 0.25], 4, 2],
  ['one for hardly any load', [0.01, 0.01, 0], 3, 1],
  ['none without load, which its bounds forbid', [0, 0], 2, 0],
  ['more only as far as new tasks that say nothing yet do not help', [1, 1], 4, 4],
  ['more all the same when they cannot be enough', [1, 1], 3, 4],
  ['fewer only as far as silent tasks may be busy', [0, 0], 4, 2],
  ['no fewer when silent tasks may make up for it', [0.4], 4, 4],
  ['what comes out even', Array.from({ length: 10 }, () => 0.1), 10, 2],
])('asks for %s', (_what, processors, tasks, expected) => {
  expect(needOf(busy(...processors), tasks, byProcessors)?.tasks).toBe(expected);
});

describe('what load asks for', () => {
  it('is unknown when no load is', () => {
    expect(needOf([], 4, byProcessors)).toBeUndefined();
  });

  it('is by the measure that asks for most, which is the one that is told of', () => {
    const loads = [{ processors: 0.1, memoryBytes: 300 }];
    expect(needOf(loads, 1, byBoth)).toEqual({
      tasks: 3,
      reason: 'tasks use 0.000286 MiB each, of 0.0000954 MiB to aim at',
    });
    expect(needOf([{ processors: 2, memoryBytes: 300 }], 1, byBoth)).toEqual({
      tasks: 4,
      reason: 'tasks use 2 processors each, of 0.5 processors to aim at',
    });
  });

  it('never rises when load falls, and is enough for what is known', () => {
    const loads = fc.array(fc.float({ min: 0, max: 8, noNaN: true }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(
        loads,
        fc.nat({ max: 9 }),
        fc.float({ min: 0, max: 1, noNaN: true }),
        (all, silent, share) => {
          const tasks = all.length + silent;
          const need = needOf(busy(...all), tasks, byProcessors)?.tasks ?? 0;
          const less =
            needOf(busy(...all.map((one) => one * share)), tasks, byProcessors)?.tasks ?? 0;
          expect(less).toBeLessThanOrEqual(need);
          const sum = all.reduce((total, one) => total + one, 0);
          expect(need * 0.5 * 1.1 + 1e-6).toBeGreaterThanOrEqual(sum);
        },
      ),
    );
  });
});
