import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { VoterId } from '../types.ts';
import { majority, reachedByMajority, voteOutcome } from './quorum.ts';

const ids = (count: number): VoterId[] =>
  Array.from({ length: count }, (_, at) => (at + 1) as VoterId);

test('a majority is more than half', () => {
  expect([1, 2, 3, 4, 5, 6, 7].map(majority)).toEqual([1, 2, 2, 3, 3, 4, 4]);
  expect(() => majority(0)).toThrow('a quorum needs voters');
});

test('what a majority has reached: the same as trying every value', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (reached) => {
      const voters = ids(reached.length);
      const reachedBy = (value: number) => reached.filter((other) => other >= value).length;
      const candidates = [0, ...reached].filter((value) => reachedBy(value) * 2 > voters.length);
      const naive = Math.max(0, ...candidates);
      expect(reachedByMajority(voters, (voter) => reached[voter - 1] ?? 0)).toBe(naive);
    }),
  );
});

test('an election: the same as filling in every missing answer', () => {
  const answer = fc.constantFrom(true, false, undefined);
  fc.assert(
    fc.property(fc.array(answer, { minLength: 1, maxLength: 7 }), (answers) => {
      const voters = ids(answers.length);
      const given = new Map<VoterId, boolean>();
      for (const voter of voters) {
        const own = answers[voter - 1];
        if (own !== undefined) given.set(voter, own);
      }
      given.set(99 as VoterId, true); // A stranger's answer must not count.
      const wins = (unknown: boolean) =>
        answers.filter((own) => own ?? unknown).length * 2 > voters.length;
      const naive = wins(false) ? 'won' : wins(true) ? 'pending' : 'lost';
      expect(voteOutcome(voters, given)).toBe(naive);
    }),
  );
});
