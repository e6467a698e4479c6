import { EventEmitter } from 'node:events';
import type { ProposeRequest, ProposeResponse } from '@shoal/proto';
import type { Instant, LogIndex } from '@shoal/runtime';
import { encodeTransaction } from '@shoal/state';
import { expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import type { ServedProposals } from '../wire/protocol.ts';
import { Batcher } from './batcher.ts';
import { servePropose } from './propose-call.ts';
import type { ProposedEntry, ServedLog } from './served-log.ts';
import { createNode, transaction } from './testing/proposer.ts';

/** The voter's end of a stream: what was answered, and when. */
class FakeStream extends EventEmitter {
  readonly answers: string[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    super();
    this.#clock = clock;
  }

  write({ requestId, error }: ProposeResponse): boolean {
    const what = error === undefined ? '' : ' refused';
    this.answers.push(`${requestId}${what} at ${this.#clock.monotonic()}`);
    return true;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
}

/** Commits at once. */
class FakeLog implements Pick<ServedLog, 'propose' | 'readIndex'> {
  #index = 0;

  propose(): Promise<ProposedEntry> {
    this.#index += 1;
    return Promise.resolve({ kind: 'committed', index: this.#index as LogIndex });
  }

  readIndex(): ReturnType<ServedLog['readIndex']> {
    return Promise.resolve({ kind: 'read', index: this.#index as LogIndex });
  }
}

function serve(follows: boolean) {
  const clock = new FakeClock();
  const stream = new FakeStream(clock);
  const log = new FakeLog() as unknown as ServedLog;
  const lastTime = 0 as Instant;
  const batcher = new Batcher({ log, clock, lastTime, onPayload: () => undefined });
  const served = stream as unknown as ServedProposals;
  servePropose(served, { forwarded: false, follows }, { log, batcher, clock });
  return { clock, stream };
}

const change = Buffer.from(encodeTransaction(transaction([createNode('some')])));
const bodies = {
  change: { $case: 'proposal', value: { transactions: [change] } },
  nonsense: { $case: 'proposal', value: { transactions: [Buffer.from('{')] } },
  question: { $case: 'readIndex', value: {} },
} as const satisfies Record<string, ProposeRequest['body']>;

test.each([
  [
    'everything at once, to who does not follow',
    false,
    '0 change, 1 change, 2 nonsense, 3 question',
    '1 at 0, 2 at 1, 3 refused at 2, 4 at 3',
  ],
  ['a single change at once', true, '0 change', '1 at 0'],
  [
    'what was committed within a few milliseconds together',
    true,
    '0 change, 1 change, 3 change',
    '1 at 0, 2 at 5, 3 at 5',
  ],
  [
    'refusals and questions at once',
    true,
    '0 change, 1 nonsense, 2 question, 3 change',
    '1 at 0, 2 refused at 1, 3 at 2, 4 at 5',
  ],
])('answers %s', async (_what, follows, asked, answered) => {
  const { clock, stream } = serve(follows);
  for (const [at, ask] of asked.split(', ').entries()) {
    const [when, what] = ask.split(' ') as [string, keyof typeof bodies];
    await clock.advance(Number(when) - clock.monotonic());
    stream.emit('data', { requestId: at + 1, body: bodies[what] });
  }
  await clock.advance(100);
  expect(stream.answers).toEqual(answered.split(', '));
  expect(clock.pending).toBe(0);
});

test('a stream that has ended is told nothing more', async () => {
  const { clock, stream } = serve(true);
  for (const requestId of [1, 2]) {
    stream.emit('data', { requestId, body: bodies.change });
    await clock.advance(1);
  }
  stream.emit('end');
  await clock.advance(100);
  expect(stream.answers).toEqual(['1 at 0']);
  expect(clock.pending).toBe(0);
});
