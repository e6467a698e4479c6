import { type Instant, pause } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { SimulatedClock } from './clock.ts';
import { SeededRandom } from './random.ts';

describe('SimulatedClock', () => {
  test('fires timers in order of time, then of asking', async () => {
    const clock = new SimulatedClock(0 as Instant);
    const fired: string[] = [];
    clock.after(20, () => fired.push('c'));
    clock.after(10, () => fired.push('a'));
    clock.after(10, () => fired.push('b'));
    clock.after(5, () => fired.push('never')).cancel();
    await clock.run(15);
    expect(fired).toEqual(['a', 'b']);
    expect(clock.now()).toBe(15);
    await clock.run(5);
    expect(fired).toEqual(['a', 'b', 'c']);
  });

  test('lets promises settle between timers and stops once the condition holds', async () => {
    const clock = new SimulatedClock(1000 as Instant);
    let done = false;
    clock.after(1, () => {
      void Promise.resolve()
        .then(() => pause(clock, 7))
        .then(() => {
          done = true;
        });
    });
    clock.after(100, () => expect.unreachable('past the condition'));
    expect(await clock.run(1000, () => done)).toBe(true);
    expect(clock.now()).toBe(1008);
  });

  test('a thousand timers at random times come out sorted', async () => {
    const random = new SeededRandom(7);
    const clock = new SimulatedClock(0 as Instant);
    const seen: number[] = [];
    for (let i = 0; i < 1000; i++)
      clock.after(random.between(0, 500), () => seen.push(clock.now()));
    await clock.run(500);
    expect(seen).toHaveLength(1000);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});

describe('SeededRandom', () => {
  test('the same seed gives the same numbers, another seed others', () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42)).not.toEqual(draw(43));
    for (const value of draw(42)) expect(value >= 0 && value < 1).toBe(true);
  });

  test('forks do not depend on how much the parent draws afterwards', () => {
    const parent = new SeededRandom(1);
    const fork = parent.fork();
    const again = new SeededRandom(1).fork();
    parent.next();
    expect(fork.next()).toBe(again.next());
  });
});
