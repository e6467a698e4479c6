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
