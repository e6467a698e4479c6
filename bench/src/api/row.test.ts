import { expect, test } from 'vitest';
import { isMet, row, rowLine } from './row.ts';

test('more is better, or less is', () => {
  const fast = row(
    'GET /tasks 1000',
    'per s',
    { ours: 400, peer: 100 },
    { of: 'ratio', atLeast: 4 },
  );
  expect(isMet(fast)).toBe(true);
  expect(rowLine(fast)).toBe(
    '| GET /tasks 1000 | 400 per s | 100 per s | 4.00× | ≥ 4× | met |  |  |',
  );
  const slow = row('50 000 tasks', 's', { ours: 4, peer: 10 }, { of: 'ratio', atMost: 0.2 });
  expect(isMet(slow)).toBe(false);
});

test('a figure of ours alone, and one without target', () => {
  const longest = row('longest wait', 'ms', { ours: 12, peer: null }, { of: 'ours', atMost: 50 });
  expect(rowLine(longest)).toBe('| longest wait | 12.0 ms |  |  | ≤ 50 ms | met |  |  |');
  expect(isMet(row('x', 'ms', { ours: 1, peer: 2 }))).toBeUndefined();
});

test('CPU time of a request stands beside the rate', () => {
  const one = row('creates', 'per s', { ours: 10, peer: 5 }, undefined, { ours: 0.5, peer: null });
  expect(rowLine(one)).toBe('| creates | 10.0 per s | 5.00 per s | 2.00× |  |  | 0.500 ms |  |');
});
