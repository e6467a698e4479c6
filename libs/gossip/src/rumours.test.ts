import { expect, test } from 'vitest';
import { rumoursMax } from './limits.ts';
import type { Rumour } from './member.ts';
import { Rumours, retransmissions } from './rumours.ts';

const rumour = (id: string, incarnation = 0): Rumour => ({
  id,
  addr: { host: '10.0.0.1', port: 7946 },
  standing: 'alive',
  incarnation,
  from: 'a',
});
const all = (): boolean => true;
const names = (taken: readonly Rumour[]): readonly string[] => taken.map(({ id }) => id);

function first(count: number): () => boolean {
  let left = count;
  return () => left-- > 0;
}

test('the least told go first, each so many times', () => {
  const rumours = new Rumours();
  for (const id of ['a', 'b', 'c']) rumours.add(rumour(id));
  expect(names(rumours.take(2, first(2)))).toEqual(['a', 'b']);
  expect(names(rumours.take(2, first(2)))).toEqual(['c', 'a']);
  expect(names(rumours.take(2, all))).toEqual(['b', 'c']);
  expect(rumours.size).toBe(0);
});

test('newer news of a member replace the older, and are told from the beginning', () => {
  const rumours = new Rumours();
  rumours.add(rumour('a'));
  rumours.take(2, all);
  rumours.add(rumour('a', 1));
  expect(rumours.take(2, all)).toMatchObject([{ incarnation: 1 }]);
  expect(rumours.size).toBe(1);
});

test('of too many, the most often told goes', () => {
  const rumours = new Rumours();
  for (let at = 0; at < rumoursMax; at += 1) rumours.add(rumour(`m${at}`));
  rumours.take(9, first(1));
  rumours.add(rumour('new'));
  expect(rumours.size).toBe(rumoursMax);
  expect(names(rumours.take(9, all))).not.toContain('m0');
});

test.each([
  [1, 4],
  [9, 4],
  [10, 8],
  [99, 8],
  [1_000, 16],
])('in a cluster of %i, news are passed on %i times', (members, times) => {
  expect(retransmissions(members)).toBe(times);
});
