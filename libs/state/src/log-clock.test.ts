import type { Instant, Monotonic } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogClock } from './log-clock.ts';

function scene(newest = 0) {
  const time = { wall: 100_000, monotonic: 0 };
  const clock = {
    now: () => time.wall as Instant,
    monotonic: () => time.monotonic as Monotonic,
  };
  return {
    time,
    log: new LogClock(clock, newest as Instant),
    pass(ms: number): void {
      time.wall += ms;
      time.monotonic += ms;
    },
  };
}

test('is the wall clock, whatever was stamped before', () => {
  const { log, pass } = scene(99_000);
  expect(log.now()).toBe(100_000);
  log.passed(100_000 as Instant);
  pass(5_000);
  expect(log.now()).toBe(105_000);
});

test('goes on at half speed after a clock that was ahead was set right, until that has caught up', () => {
  const { log, pass } = scene(160_000);
  const seen = [];
  for (let at = 0; at < 8; at += 1) {
    seen.push(log.now());
    pass(20_000);
  }
  expect(seen).toEqual([160, 170, 180, 190, 200, 210, 220, 240].map((seconds) => seconds * 1_000));
});

test('goes on also where every millisecond has its entry', () => {
  const { log, pass } = scene(160_000);
  for (let at = 0; at < 1_000; at += 1) {
    pass(1);
    log.passed(log.now());
  }
  expect(log.now()).toBe(160_500);
});

test('stamps never run backwards, whatever the wall clock does', () => {
  const moves = fc.array(fc.tuple(fc.nat(10_000), fc.integer({ min: -100_000, max: 100_000 })));
  fc.assert(
    fc.property(moves, (steps) => {
      const { log, pass, time } = scene();
      let last = 0;
      for (const [ms, jump] of steps) {
        pass(ms);
        time.wall = Math.max(0, time.wall + jump);
        const stamp = log.now();
        log.passed(stamp);
        expect(stamp).toBeGreaterThanOrEqual(Math.max(last, time.wall));
        last = stamp;
      }
    }),
  );
});
