import { FakeClock, settle } from '@shoal/stage/testing';
import { expect, test } from 'vitest';
import { type Turn, Turns } from './turns.ts';

test('so many at once, the others in order; who has had it for long is asked to yield', async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const counts: string[] = [];
  const onChange = (held: number, waiting: number): void => {
    counts.push(`${held}/${waiting}`);
  };
  const turns = new Turns({ most: 2, sliceMs: 1_000, clock, onChange });
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) =>
    turns.take({ begin: () => told.push(name), yield: () => told.push(`${name}!`) }),
  ) as [Turn, Turn, Turn, Turn];
  await settle();
  expect(told).toEqual(['a', 'b']);
  a.giveBack();
  a.giveBack();
  expect(told).toEqual(['a', 'b', 'c']);
  expect(counts.at(-1)).toBe('2/1');
  b.count();
  await clock.advance(2_500);
  // c has not begun to count: what it waits for is not its doing.
  expect(new Set(told.slice(3))).toEqual(new Set(['b!']));
  b.giveBack();
  expect(told.at(-1)).toBe('d');
  for (const turn of [c, d]) turn.giveBack();
  expect([counts.at(-1), clock.timers]).toEqual(['0/0', 0]);
});
