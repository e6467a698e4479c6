import { FakeClock } from '@shoal/stage/testing';
import { expect, test } from 'vitest';
import { Limiter } from './limiter.ts';

test('no more than allowed at a time; urgent works overtake those that wait', async () => {
  const limiter = new Limiter(2);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const work = (name: string) => (): Promise<void> => {
    begun.push(name);
    return new Promise((resolve) => ends.push(resolve));
  };
  const all = [
    limiter.run(work('a')),
    limiter.run(work('b')),
    limiter.run(work('c')),
    limiter.run(work('d')),
    limiter.run(work('urgent'), true),
  ];
  expect(begun).toEqual(['a', 'b']);
  for (const next of ['urgent', 'c', 'd']) {
    ends.shift()?.();
    await expect.poll(() => begun.at(-1)).toBe(next);
  }
  for (const end of ends) end();
  await Promise.all(all);
  expect(begun).toEqual(['a', 'b', 'urgent', 'c', 'd']);
});

test('a work that hangs gives its place back, once, and goes on', async () => {
  const clock = new FakeClock(1);
  const limiter = new Limiter(1, { clock, msMax: 5_000 });
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string): Promise<void> =>
    limiter.run(() => {
      begun.push(name);
      return new Promise((resolve) => ends.set(name, resolve));
    });
  const all = ['hangs', 'quick', 'third', 'fourth'].map(run);
  await clock.advance(4_999);
  expect(begun).toEqual(['hangs']);
  await clock.advance(1);
  expect(begun).toEqual(['hangs', 'quick']);
  ends.get('quick')?.();
  await clock.advance(0);
  expect(begun).toEqual(['hangs', 'quick', 'third']);
  // Its place is another's by now.
  ends.get('hangs')?.();
  await clock.advance(0);
  expect(begun).toEqual(['hangs', 'quick', 'third']);
  ends.get('third')?.();
  await clock.advance(0);
  ends.get('fourth')?.();
  await Promise.all(all);
  expect(clock.timers).toBe(0);
});
