import { invariant } from '@shoal/runtime';
import type { VoterId } from '../types.ts';

/** How many of `count` voters make a majority. */
export function majority(count: number): number {
  invariant(Number.isSafeInteger(count) && count > 0, 'a quorum needs voters', { count });
  return Math.floor(count / 2) + 1;
}

/** The largest value that a majority of the voters has reached. */
export function reachedByMajority(
  voters: readonly VoterId[],
  reached: (voter: VoterId) => number,
): number {
  const values = voters.map(reached).sort((a, b) => b - a);
  const value = values[majority(voters.length) - 1];
  invariant(value !== undefined && value >= 0, 'a majority has reached something', { value });
  return value;
}

export type VoteOutcome = 'won' | 'lost' | 'pending';

/** Where an election stands; answers of others than `voters` do not count. */
export function voteOutcome(
  voters: readonly VoterId[],
  answers: ReadonlyMap<VoterId, boolean>,
): VoteOutcome {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const answer = answers.get(voter);
    if (answer === true) granted += 1;
    if (answer === false) refused += 1;
  }
  const needed = majority(voters.length);
  invariant(granted + refused <= voters.length, 'one answer for each voter', { granted, refused });
  if (granted >= needed) return 'won';
  return voters.length - refused < needed ? 'lost' : 'pending';
}
