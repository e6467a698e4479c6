import type { Monotonic } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { calmMs, retryMsMax, VoterRetries } from './voter-retries.ts';

const seconds = (value: number): Monotonic => (value * 1_000) as Monotonic;

test('a voter that fails again and again is tried ever more rarely', () => {
  const retries = new VoterRetries();
  let now = 0;
  const pauses = Array.from({ length: 9 }, () => {
    const pauseMs = retries.failed(now as Monotonic);
    now += pauseMs + 300;
    return pauseMs / 1_000;
  });
  expect(pauses).toEqual([0, 1, 2, 4, 8, 15, 15, 15, 15]);
});

test('one that was well for long is tried at once', () => {
  const retries = new VoterRetries();
  expect([retries.failed(seconds(0)), retries.failed(seconds(1))]).toEqual([0, 1_000]);
  expect(retries.failed(seconds(70))).toBe(0);
});

test('the longest pause is no time in which it was well', () => {
  const retries = new VoterRetries();
  let now = 0;
  for (let at = 0; at < 9; at += 1) {
    retries.failed(now as Monotonic);
    now += retryMsMax + calmMs / 2;
  }
  expect(retries.failed(now as Monotonic)).toBeGreaterThan(0);
});

test('one that somebody looked after is tried at once', () => {
  const retries = new VoterRetries();
  retries.failed(seconds(0));
  retries.failed(seconds(1));
  retries.forget();
  expect(retries.failed(seconds(2))).toBe(0);
});
