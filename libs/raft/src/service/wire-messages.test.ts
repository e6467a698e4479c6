import { randomBytes } from 'node:crypto';
import type { LogIndex, Term } from '@shoal/runtime';
import { expect, test } from 'vitest';
import type { Entry } from '../types.ts';
import { decodeMessage, MessageEncoder, type StreamedMessage } from './wire-messages.ts';

const at = (index: number, term: number) => ({ index: index as LogIndex, term: term as Term });
const term = 7 as Term;
const big = Number.MAX_SAFE_INTEGER as LogIndex;
const entries: readonly Entry[] = [
  { ...at(4, 3), kind: 'normal', data: Buffer.from('payload') },
  { ...at(5, 7), kind: 'empty', data: Buffer.alloc(0) },
  { ...at(6, 7), kind: 'membership', data: Buffer.from('{}') },
];

const messages: readonly StreamedMessage[] = [
  { kind: 'pre-vote', term, last: at(3, 2) },
  { kind: 'pre-vote-answer', term, granted: true },
  { kind: 'vote', term, last: at(0, 0), transfer: true },
  { kind: 'vote-answer', term, granted: false },
  { kind: 'append', term, previous: at(3, 2), entries, commit: 3 as LogIndex },
  { kind: 'append', term, previous: at(0, 0), entries: [], commit: 0 as LogIndex },
  { kind: 'append-accepted', term, match: big },
  { kind: 'append-rejected', term, rejected: 9 as LogIndex, hint: at(4, 3) },
  { kind: 'heartbeat', term, commit: 5 as LogIndex, round: 12 },
  { kind: 'heartbeat-answer', term, round: 12 },
  { kind: 'read-request', term, token: 1 },
  { kind: 'read-answer', term, token: 1, index: 8 as LogIndex },
  { kind: 'timeout-now', term },
  { kind: 'removed', term, index: 8 as LogIndex },
];

test.each(messages)('$kind arrives as it was sent', (message) => {
  expect(decodeMessage(new MessageEncoder().encode(message))).toEqual(message);
});

test('the same entries for several peers are encoded once, others anew', () => {
  const encoder = new MessageEncoder();
  const append = (commit: number): StreamedMessage => ({
    kind: 'append',
    term,
    previous: at(3, 2),
    entries: [...entries],
    commit: commit as LogIndex,
  });
  const bytes = encoder.encode(append(3));
  expect(encoder.encode(append(3))).toBe(bytes);
  const other = encoder.encode(append(4));
  expect(other).not.toBe(bytes);
  expect(decodeMessage(other)).toMatchObject({ commit: 4 });
});

test('what is no message is none', () => {
  expect(decodeMessage(Buffer.alloc(0))).toBeUndefined();
  for (let size = 1; size < 200; size += 1) {
    // Random bytes are seldom a message, and never an exception.
    const decoded = decodeMessage(randomBytes(size));
    expect(decoded === undefined || messages.some(({ kind }) => kind === decoded.kind)).toBe(true);
  }
});
