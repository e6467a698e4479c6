import { expect, test } from 'vitest';
import { type Member, type Standing, supersedes } from './member.ts';

const member = (standing: Standing, incarnation: number): Member => ({
  id: 'a',
  addr: { host: '10.0.0.1', port: 7946 },
  standing,
  incarnation,
});

test.each<[Standing, number, Standing, number, boolean]>([
  ['alive', 1, 'alive', 1, false],
  ['alive', 2, 'alive', 1, true],
  ['alive', 1, 'suspect', 1, false],
  ['alive', 2, 'suspect', 1, true],
  ['alive', 2, 'dead', 1, true],
  ['alive', 1, 'dead', 1, false],
  ['suspect', 1, 'alive', 1, true],
  ['suspect', 0, 'alive', 1, false],
  ['suspect', 1, 'suspect', 1, false],
  ['suspect', 1, 'dead', 1, false],
  ['dead', 1, 'suspect', 1, true],
  ['dead', 0, 'suspect', 1, false],
  ['dead', 1, 'left', 1, false],
  ['left', 1, 'alive', 1, true],
])('%s %i over %s %i: %s', (news, incarnation, known, knownIncarnation, expected) => {
  expect(supersedes(member(news, incarnation), member(known, knownIncarnation))).toBe(expected);
});
