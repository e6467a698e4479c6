import type { LogIndex, Term } from '@shoal/runtime';
import { expect, test } from 'vitest';
import type { Envelope } from '../core/messages.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { describeMessage } from '../testing/trace.ts';
import type { Entry, VoterId } from '../types.ts';
import { commitLingerMs, Outgoing } from './outgoing.ts';

const term = 1 as Term;

function append(to: number, commit: number, count: number): Envelope {
  const entries = Array.from({ length: count }, (_, at): Entry => {
    return { index: (at + 6) as LogIndex, term, kind: 'empty', data: new Uint8Array(0) };
  });
  const previous = { index: 5 as LogIndex, term };
  const message = { kind: 'append', term, previous, entries, commit: commit as LogIndex } as const;
  return { from: 1 as VoterId, to: to as VoterId, message };
}

const waiting = 3 as VoterId;

function outgoing(): { outgoing: Outgoing; sent: string[]; clock: FakeClock } {
  const sent: string[] = [];
  const clock = new FakeClock();
  const send = ({ to, message }: Envelope): void =>
    void sent.push(`${to} ${describeMessage(message)}`);
  return {
    outgoing: new Outgoing({ send, awaitsCommit: (to) => to === waiting, clock }),
    sent,
    clock,
  };
}

test('a commit somebody waits for is told at the end of the turn, or with entries where there are some', async () => {
  const { outgoing: out, sent } = outgoing();
  for (const commit of [3, 4]) out.push(append(3, commit, 0));
  const vote = { kind: 'vote-answer', term, granted: true } as const;
  out.push({ from: 1 as VoterId, to: 3 as VoterId, message: vote });
  expect(sent).toEqual(['3 vote-answer term=1 yes']);
  await Promise.resolve();
  expect(sent.slice(1)).toEqual(['3 append term=1 after=5/1 commit=4 []']);
  out.push(append(3, 5, 0));
  out.push(append(3, 6, 1));
  await Promise.resolve();
  expect(sent.slice(2)).toEqual(['3 append term=1 after=5/1 commit=6 [6/1 (empty)]']);
});

test('a commit nobody waits for is told a little later, unless entries or another commit take it along', async () => {
  const { outgoing: out, sent, clock } = outgoing();
  out.push(append(2, 3, 0));
  out.push(append(2, 4, 1));
  await clock.advance(commitLingerMs);
  expect(sent).toEqual(['2 append term=1 after=5/1 commit=4 [6/1 (empty)]']);
  out.push(append(2, 5, 0));
  out.push(append(2, 6, 0));
  await clock.advance(commitLingerMs / 2);
  expect(sent.length).toBe(1);
  await clock.advance(commitLingerMs / 2);
  expect(sent.slice(1)).toEqual(['2 append term=1 after=5/1 commit=6 []']);
  out.push(append(2, 7, 0));
  out.push(append(3, 7, 0));
  await Promise.resolve();
  expect(sent.slice(2)).toEqual([
    '2 append term=1 after=5/1 commit=7 []',
    '3 append term=1 after=5/1 commit=7 []',
  ]);
});
