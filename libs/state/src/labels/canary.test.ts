import { describe, expect, it } from 'vitest';
import type { ServiceMode } from '../spec.ts';
import { canarySize, checkCanaryLabel } from './canary.ts';

const Mode: ServiceMode = { Replicated: { Replicas: 4 } };

describe('the canary of updates', () => {
  it.each([
    ['1', 10, 1],
    ['3', 2, 3],
    ['1000000', 5, 1_000_000],
    ['10%', 10, 1],
    ['10%', 11, 2],
    ['1%', 3, 1],
    ['99%', 3, 3],
  ])('%s of %i tasks are %i', (text, tasks, size) => {
    const Labels = { 'shoal.update.canary': text };
    expect(canarySize(Labels, tasks)).toBe(size);
    expect(checkCanaryLabel({ Mode, Labels })).toBeUndefined();
  });

  it.each(['', '0', '01', '-1', '1.5', '0%', '100%', '1 %', '1000001', 'all'])(
    '%j is refused, and means nothing in the log',
    (text) => {
      const Labels = { 'shoal.update.canary': text };
      expect(checkCanaryLabel({ Mode, Labels })).toBe(
        `label shoal.update.canary="${text}" is invalid: must be a number of tasks from 1 to 1000000, or 1% to 99%`,
      );
      expect(canarySize(Labels, 10)).toBeUndefined();
    },
  );

  it('is nothing for jobs, and nobody has to have one', () => {
    expect(canarySize({}, 10)).toBeUndefined();
    expect(checkCanaryLabel({ Mode, Labels: {} })).toBeUndefined();
    const Labels = { 'shoal.update.canary': '1' };
    expect(checkCanaryLabel({ Mode: { GlobalJob: {} }, Labels })).toBe(
      'label shoal.update.canary is for services that go on: a job is not updated task by task',
    );
  });
});
