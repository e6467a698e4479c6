import type { Instant } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { Wakes } from './wakes.ts';

const at = (ms: number): Instant => ms as Instant;

describe('Wakes', () => {
  test('tells when the first is due, and gives what is due', async () => {
    const clock = new FakeClock(0);
    const told: number[] = [];
    const wakes = new Wakes(clock, () => told.push(clock.now()));
    wakes.set('late', at(100));
    wakes.set('soon', at(10));
    wakes.set('soon', at(20));
    await clock.advance(50);
    expect(told).toEqual([20]);
    expect(wakes.take(clock.now())).toEqual({ keys: ['soon'], everything: false });
    await clock.advance(50);
    expect(told).toEqual([20, 100]);
  });

  test('a later wake replaces an earlier one', async () => {
    const clock = new FakeClock(0);
    const wakes = new Wakes(clock, () => undefined);
    wakes.set('a', at(10));
    wakes.set('a', at(30));
    await clock.advance(20);
    expect(wakes.take(clock.now()).keys).toEqual([]);
    await clock.advance(10);
    expect(wakes.take(clock.now()).keys).toEqual(['a']);
  });

  test('a wall clock set forward is noticed within one sleep', async () => {
    const clock = new FakeClock(0);
    let told = false;
    const wakes = new Wakes(clock, () => {
      told = true;
    });
    wakes.set('tomorrow', at(86_400_000));
    await clock.advance(86_399_999);
    expect(told).toBe(false);
    await clock.advance(1);
    expect(told).toBe(true);
  });

  test('gives exactly the keys that are due, whatever was set and replaced', () => {
    const actions = fc.array(
      fc.record({ key: fc.integer({ min: 0, max: 15 }), at: fc.integer({ min: 0, max: 200 }) }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(actions, fc.integer({ min: 0, max: 200 }), (sets, now) => {
        const wakes = new Wakes(new FakeClock(0), () => undefined);
        const model = new Map<string, number>();
        for (const set of sets) {
          wakes.set(`${set.key}`, at(set.at));
          model.set(`${set.key}`, set.at);
        }
        const due = [...model].filter(([, time]) => time <= now).map(([key]) => key);
        expect([...wakes.take(at(now)).keys].sort()).toEqual(due.sort());
        expect(wakes.size).toBe(model.size - due.length);
      }),
    );
  });
});
