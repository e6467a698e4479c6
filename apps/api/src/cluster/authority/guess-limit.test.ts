import type { Monotonic } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { addressesMax, GuessLimit, guessesMax, windowMs } from './guess-limit.ts';

function limit() {
  let now = 1_000;
  const guesses = new GuessLimit(() => now as Monotonic);
  return {
    guesses,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

test('wrong tokens from one address are looked at so many times a minute', () => {
  const { guesses, pass } = limit();
  for (let guess = 0; guess < guessesMax; guess += 1) {
    expect(guesses.waitMs('10.0.0.1')).toBe(0);
    guesses.wrong('10.0.0.1');
  }
  pass(1_000);
  expect(guesses.waitMs('10.0.0.1')).toBe(windowMs - 1_000);
  expect(guesses.waitMs('10.0.0.2')).toBe(0);
  pass(windowMs - 1_000);
  expect(guesses.waitMs('10.0.0.1')).toBe(0);
});

test('a crowd of addresses does not fill the memory, and those that go on stay known', () => {
  const { guesses } = limit();
  for (let guess = 0; guess < guessesMax; guess += 1) guesses.wrong('busy');
  for (let address = 0; address < 2 * addressesMax; address += 1) {
    guesses.wrong(`10.${address}`);
    if (address % 1_000 === 0) guesses.wrong('busy');
  }
  expect(guesses.waitMs('busy')).toBeGreaterThan(0);
  for (let guess = 1; guess < guessesMax; guess += 1) guesses.wrong('10.0');
  expect(guesses.waitMs('10.0')).toBe(0);
});
