import { expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { Cadence } from './cadence.ts';

function cadence() {
  const clock = new FakeClock();
  const acts: number[] = [];
  const asked = new Cadence(
    clock,
    (inARow) => (inARow <= 3 ? 5 : 20),
    () => acts.push(clock.monotonic()),
  );
  return { clock, acts, asked };
}

test.each([
  ['at once after a rest', [0], [0]],
  ['once for all who ask while it rests', [0, 1, 2, 4], [0, 5]],
  ['at its pace while it is asked in a row', [0, 3, 6], [0, 5, 10]],
  ['more slowly when that goes on', [0, 3, 6, 12, 16, 40], [0, 5, 10, 15, 35, 55]],
  ['as at first after a rest', [0, 3, 6, 12, 60, 61], [0, 5, 10, 15, 60, 65]],
  ['at once again when nobody has asked for as long', [0, 2, 11, 12], [0, 5, 11, 16]],
])('acts %s', async (_when, asks, expected) => {
  const { clock, acts, asked } = cadence();
  for (const at of asks) {
    await clock.advance(at - clock.monotonic());
    asked.ask();
  }
  await clock.advance(100);
  expect(acts).toEqual(expected);
  expect(clock.pending).toBe(0);
});

test('an act that asks is followed by one more, not by itself', async () => {
  const clock = new FakeClock();
  let acts = 0;
  const asked: Cadence = new Cadence(
    clock,
    () => 5,
    () => {
      acts += 1;
      if (acts < 3) asked.ask();
    },
  );
  asked.ask();
  expect(acts).toBe(1);
  await clock.advance(100);
  expect(acts).toBe(3);
});

test('stopped, it acts no more', async () => {
  const { clock, acts, asked } = cadence();
  asked.ask();
  asked.ask();
  asked.stop();
  await clock.advance(100);
  expect(acts).toEqual([0]);
});
