import { describe, expect, it } from 'vitest';
import { checkDrainLabels, drainSettings } from './drain.ts';
import { backoffCapDefaultMs, backoffCapMs, checkRestartLabels } from './restart.ts';

describe('drain labels', () => {
  it.each([
    [{}, {}],
    [{ 'shoal.drain.order': 'start-first' }, { order: 'start-first' }],
    [{ 'shoal.drain.order': 'stop-first' }, { order: 'stop-first' }],
    [{ 'shoal.drain.parallelism': '3' }, { parallelism: 3 }],
    [{ 'shoal.drain.deadline': '1h30m' }, { deadlineMs: 5_400_000 }],
  ])('%j says %j', (labels, settings) => {
    expect(drainSettings(labels)).toEqual(settings);
    expect(checkDrainLabels(labels)).toBeUndefined();
  });

  it.each([
    ['shoal.drain.order', 'Start-First', 'start-first or stop-first'],
    ['shoal.drain.parallelism', '0', 'a whole number from 1 to 10000'],
    ['shoal.drain.parallelism', '1.5', 'a whole number from 1 to 10000'],
    ['shoal.drain.parallelism', '', 'a whole number from 1 to 10000'],
    ['shoal.drain.parallelism', '10001', 'a whole number from 1 to 10000'],
    ['shoal.drain.deadline', '-5s', 'a duration such as 90s or 1h30m'],
  ])('%s=%j is refused, and means nothing in the log', (name, value, allowed) => {
    const labels = { [name]: value };
    expect(checkDrainLabels(labels)).toBe(
      `label ${name}="${value}" is invalid: must be ${allowed}`,
    );
    expect(drainSettings(labels)).toEqual({});
  });
});

describe('the restart back-off label', () => {
  it.each([
    [undefined, backoffCapDefaultMs],
    ['off', undefined],
    ['90s', 90_000],
    ['0', 0],
  ])('%s caps the wait at %s ms', (value, cap) => {
    const labels: Record<string, string> =
      value === undefined ? {} : { 'shoal.restart.backoff': value };
    expect(backoffCapMs(labels)).toBe(cap);
    expect(checkRestartLabels(labels)).toBeUndefined();
  });

  it('malformed is refused, and means nothing in the log', () => {
    const labels = { 'shoal.restart.backoff': 'on' };
    expect(checkRestartLabels(labels)).toBe(
      'label shoal.restart.backoff="on" is invalid: must be off or a duration such as 90s or 5m',
    );
    expect(backoffCapMs(labels)).toBe(backoffCapDefaultMs);
  });
});
