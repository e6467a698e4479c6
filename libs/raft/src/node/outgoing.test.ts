import type { LogIndex, Term } from '@shoal/runtime';
import { expect, test } from 'vitest';
import type { Envelope } from '../core/messages.ts';
import { describeMessage } from '../testing/trace.ts';
import type { Entry, VoterId } from '../types.ts';
import { Outgoing } from './outgoing.ts';

const term = 1 as Term;

function append(to: number, commit: number, count: number): Envelope {
  const entries = Array.from({ length: count }, (_, at): Entry => {
    return { index: (at + 6) as LogIndex, term, kind: 'empty', data: new Uint8Array(0) };
  });
  const previous = { index: 5 as LogIndex, term };
  const message = { kind: 'append', term, previous, entries, commit: commit as LogIndex } as const;
  return { from: 1 as VoterId, to: to as VoterId, message };
}

test('a commit alone waits for the end of the turn, and goes along with entries where there are some', async () => {
  const sent: string[] = [];
  const outgoing = new Outgoing(({ to, message }) =>
    sent.push(`${to} ${describeMessage(message)}`),
  );
  for (const commit of [3, 4]) for (const to of [2, 3]) outgoing.push(append(to, commit, 0));
  const vote = { kind: 'vote-answer', term, granted: true } as const;
  outgoing.push({ from: 1 as VoterId, to: 3 as VoterId, message: vote });
  outgoing.push(append(2, 5, 1));
  const atOnce = ['3 vote-answer term=1 yes', '2 append term=1 after=5/1 commit=5 [6/1 (empty)]'];
  expect(sent).toEqual(atOnce);
  await Promise.resolve();
  expect(sent).toEqual([...atOnce, '3 append term=1 after=5/1 commit=4 []']);
  outgoing.push(append(2, 6, 0));
  outgoing.flush();
  await Promise.resolve();
  expect(sent.slice(3)).toEqual(['2 append term=1 after=5/1 commit=6 []']);
});
