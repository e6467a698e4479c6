import { describe, expect, test } from 'vitest';
import { checkNodeLabels, removeAfterLabel, removeAfterMs } from './nodes.ts';

describe('the time after which a node that is down is removed', () => {
  test.each([
    ['72h', 72 * 3_600_000],
    ['10s', 10_000],
    ['1h30m', 5_400_000],
  ])('%s', (text, ms) => {
    expect(removeAfterMs({ [removeAfterLabel]: text })).toBe(ms);
    expect(checkNodeLabels({ [removeAfterLabel]: text })).toBeUndefined();
  });

  test.each(['', '0', '9.9s', '-1h', '3d', 'never', '1000000000h'])('is not "%s"', (text) => {
    expect(removeAfterMs({ [removeAfterLabel]: text })).toBeUndefined();
    expect(checkNodeLabels({ [removeAfterLabel]: text })).toBe(
      `label shoal.nodes.remove-after="${text}" is invalid: must be a time of 10s or more, such as 72h`,
    );
  });

  test('need not be set', () => {
    expect(removeAfterMs({})).toBeUndefined();
    expect(checkNodeLabels({})).toBeUndefined();
  });
});
