import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  EntryKind,
  type FollowResponse,
  LogErrorCode,
  LogOpening,
  LogOpeningAnswer,
  type ProposeRequest,
  type ProposeResponse,
} from '@shoal/proto';
import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { FrameReader, framesOf, messageBytesMax } from '../wire/frames.ts';
import { answering, following, logProtocol, proposing } from '../wire/protocol.ts';
import { feeding } from './entry-messages.ts';
import { decodeMessage, MessageEncoder, type StreamedMessage } from './wire-messages.ts';

/**
 * What builds of before say in the protocol of the log, each message behind its length: managers of different
 * versions speak it with each other while a cluster is upgraded. `RECORD=1 vitest run
 * src/service/recorded-messages.test.ts` adds what the newest recording lacks; see testdata/README.md.
 */
const recordings = ['shoal-log-1.txt'] as const;
const newest = recordings[0];

const at = (index: number, term: number) => ({ index: index as LogIndex, term: term as Term });
const term = 7 as Term;
const index = Number.MAX_SAFE_INTEGER as LogIndex;
const text = (words: string): Buffer => Buffer.from(words);
const membership =
  '{"voters":[{"id":9007199254740933,"nodeId":"node-1","addr":"10.0.0.1:2377"}],"learners":[]}';

const voterMessages = {
  'pre-vote': { kind: 'pre-vote', term, last: at(3, 2) },
  'pre-vote-answer': { kind: 'pre-vote-answer', term, granted: true },
  vote: { kind: 'vote', term, last: at(3, 2), transfer: true },
  'vote-answer': { kind: 'vote-answer', term, granted: true },
  append: {
    ...{ kind: 'append', term, previous: at(3, 2), commit: 3 as LogIndex },
    entries: [
      { ...at(4, 3), kind: 'normal', data: text('payload') },
      { ...at(5, 7), kind: 'empty', data: Buffer.alloc(0) },
      { ...at(6, 7), kind: 'membership', data: text(membership) },
    ],
  },
  'append-accepted': { kind: 'append-accepted', term, match: index },
  'append-rejected': { kind: 'append-rejected', term, rejected: 9 as LogIndex, hint: at(4, 3) },
  heartbeat: { kind: 'heartbeat', term, commit: 5 as LogIndex, round: 12 },
  'heartbeat-answer': { kind: 'heartbeat-answer', term, round: 12 },
  'read-request': { kind: 'read-request', term, token: 1 },
  'read-answer': { kind: 'read-answer', term, token: 1, index: 8 as LogIndex },
  'timeout-now': { kind: 'timeout-now', term },
  removed: { kind: 'removed', term, index: 8 as LogIndex },
} satisfies Record<StreamedMessage['kind'], StreamedMessage>;

type Case<T> = T extends { readonly $case: infer Name extends string } ? Name : never;

const openings = {
  propose: { $case: 'propose', value: { forwarded: true, follows: true } },
  deliver: {
    $case: 'deliver',
    value: { from: 0x1f_ffff_ffff_ffc5, to: 12, fromAddr: '10.0.0.1:2377' },
  },
  follow: { $case: 'follow', value: { after: 41, follower: 'scheduler@node-1/1', prompt: true } },
} satisfies Record<Case<LogOpening['body']>, LogOpening['body']>;

const openingAnswers = {
  accepted: { $case: 'accepted', value: {} },
  refused: { $case: 'refused', value: 'node-9 is no manager' },
} satisfies Record<Case<LogOpeningAnswer['body']>, LogOpeningAnswer['body']>;

const requests = {
  proposal: { $case: 'proposal', value: { transactions: [text('{"id":"t"}'), text('{}')] } },
  readIndex: { $case: 'readIndex', value: {} },
} satisfies Record<Case<ProposeRequest['body']>, ProposeRequest['body']>;

const responses = {
  index: { requestId: 5, index: 42, error: undefined },
  error: {
    ...{ requestId: 6, index: 0 },
    error: { code: LogErrorCode.UNKNOWN_OUTCOME, message: 'leadership was lost' },
  },
} satisfies Readonly<Record<string, ProposeResponse>>;

const fed = {
  snapshot: { $case: 'snapshot', value: { index: 40, data: text('state at 40'), last: true } },
  entries: {
    $case: 'entries',
    value: {
      entries: [
        { index: 41, term: 7, kind: EntryKind.NORMAL, data: text('payload') },
        { index: 42, term: 7, kind: EntryKind.EMPTY, data: Buffer.alloc(0) },
        { index: 43, term: 7, kind: EntryKind.MEMBERSHIP, data: text(membership) },
      ],
      committed: 43,
    },
  },
} satisfies Record<Case<FollowResponse['body']>, FollowResponse['body']>;

/** A message with the code that makes and reads it. */
interface Said {
  readonly name: string;
  readonly value: unknown;
  readonly encoded: Uint8Array;
  readonly decode: (bytes: Buffer) => unknown;
}

/** What is here stays as it is; what is new has a new name. */
const said: readonly Said[] = [
  ...Object.entries(openings).map(([name, body]) => ({
    ...{ name: `opening ${name}`, value: { body } },
    ...{ encoded: LogOpening.encode({ body }).finish(), decode: LogOpening.decode },
  })),
  ...Object.entries(openingAnswers).map(([name, body]) => ({
    ...{ name: `opening ${name}`, value: { body } },
    ...{ encoded: LogOpeningAnswer.encode({ body }).finish(), decode: LogOpeningAnswer.decode },
  })),
  ...Object.entries(requests).map(([name, body]) => {
    const value = { requestId: 5, body };
    return {
      ...{ name: `request ${name}`, value },
      ...{ encoded: proposing.encode(value), decode: answering.decode },
    };
  }),
  ...Object.entries(responses).map(([name, value]) => ({
    ...{ name: `response ${name}`, value },
    ...{ encoded: answering.encode(value), decode: proposing.decode },
  })),
  ...Object.entries(fed).map(([name, body]) => ({
    ...{ name: `fed ${name}`, value: { body } },
    ...{ encoded: feeding.encode({ body }), decode: following.decode },
  })),
  ...Object.entries(voterMessages).map(([name, value]) => ({
    ...{ name: `voter ${name}`, value },
    ...{ encoded: new MessageEncoder().encode(value), decode: decodeMessage },
  })),
];

/** A line for each: its name, a colon, its bytes in base64. */
function readRecording(file: string): readonly (readonly [string, Buffer])[] {
  const path = pathOf(file);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const [name = '', bytes = ''] = line.split(': ');
    return [name, Buffer.from(bytes, 'base64')];
  });
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../../testdata/wire/${file}`, import.meta.url));
}

/** Field 1000 of a protobuf message, which no build knows. */
const unknownField = Buffer.of(0xc0, 0x3e, 1);

function line(name: string, bytes: Buffer): string {
  return `${name}: ${bytes.toString('base64')}`;
}

if (process.env['RECORD'] === '1') {
  const recorded = new Map(readRecording(newest));
  for (const { name, encoded } of said)
    if (!recorded.has(name)) recorded.set(name, framesOf([encoded]));
  const lines = [...recorded].map(([name, bytes]) => `${line(name, bytes)}\n`);
  writeFileSync(pathOf(newest), lines.join(''));
}

describe.each(recordings)('what was recorded in %s', (file) => {
  test.each(readRecording(file))(
    'is understood, also with what a newer build adds: %s',
    (name, bytes) => {
      const reader = new FrameReader(messageBytesMax);
      reader.push(bytes);
      const message = reader.next();
      invariant(Buffer.isBuffer(message), 'a whole message was recorded', { name });
      const expected = said.find((one) => one.name === name);
      invariant(expected !== undefined, 'what was recorded is known', { name });
      expect(expected.decode(message)).toEqual(expected.value);
      const newer = Buffer.concat([message, unknownField]);
      expect(expected.decode(newer)).toEqual(expected.value);
      expect(reader.next()).toBe('incomplete');
    },
  );
});

test("today's build says the same in the same bytes", () => {
  const today = said.map(({ name, encoded }) => line(name, framesOf([encoded])));
  const recorded = readFileSync(pathOf(newest), 'utf8').trimEnd().split('\n');
  expect(today.sort()).toEqual(recorded.sort());
});

test('a newer protocol has a name of its own, and a recording', () => {
  expect(newest).toBe(`${logProtocol.replace('/', '-')}.txt`);
});
