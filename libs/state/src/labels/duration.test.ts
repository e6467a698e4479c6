import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('a duration in a label', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['300ms', 300],
    ['90s', 90_000],
    ['+5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['2h45m30.5s', 9_930_500],
    ['10us', 0.01],
    ['10µs', 0.01],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ kind: 'duration', ms });
  });

  it.each(['', '5', '-5s', 's', '1d', '1h 30m', '5S', '1hx', '1e3s', '++1s', `${'1h'.repeat(40)}`])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toEqual({ kind: 'invalid' });
    },
  );
});

describe('a duration for people', () => {
  it.each([
    [0, '0s'],
    [1_500, '1.5s'],
    [40_000, '40s'],
    [60_000, '1m'],
    [125_000, '2m5s'],
    [5_400_000, '1h30m'],
    [3_600_000, '1h'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    expect(parseDuration(text)).toEqual({ kind: 'duration', ms });
  });
});
