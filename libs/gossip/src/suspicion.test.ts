import { expect, test } from 'vitest';
import { Awareness } from './awareness.ts';
import { awarenessMax } from './limits.ts';
import { suspicionMs } from './suspicion.ts';

test.each([
  { members: 2, confirmations: 0, ms: 4_000, why: 'nobody could confirm it' },
  { members: 10, confirmations: 0, ms: 24_000, why: 'nobody has' },
  { members: 10, confirmations: 3, ms: 4_000, why: 'enough have' },
  { members: 10, confirmations: 9, ms: 4_000, why: 'more do not shorten it' },
  { members: 1_000, confirmations: 3, ms: 12_000, why: 'news take longer in large clusters' },
])('$members members, $confirmations confirmations: $ms ms, for $why', (row) => {
  expect(suspicionMs(row.members, row.confirmations)).toBeCloseTo(row.ms, 0);
});

test('every confirmation shortens the suspicion, the first one most', () => {
  const [none = 0, one = 0, two = 0] = [0, 1, 2].map((count) => suspicionMs(50, count));
  expect(none - one).toBeGreaterThan(one - two);
  expect(one).toBeGreaterThan(two);
});

test('a host that doubts itself takes its time, within bounds', () => {
  const awareness = new Awareness();
  expect(awareness.stretch(500)).toBe(500);
  awareness.note(1);
  expect(awareness.stretch(500)).toBe(1_000);
  awareness.note(100);
  expect(awareness.stretch(500)).toBe(500 * awarenessMax);
  awareness.note(-100);
  expect(awareness.score).toBe(0);
});
