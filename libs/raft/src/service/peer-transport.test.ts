import { EventEmitter } from 'node:events';
import { type LogIndex, silentLogger, systemRandom, type Term } from '@shoal/runtime';
import { beforeEach, expect, test } from 'vitest';
import type { Message } from '../core/messages.ts';
import { FakeClock, settlePromises } from '../testing/fake-clock.ts';
import type { Entry, VoterId } from '../types.ts';
import type { DeliverStream } from '../wire/protocol.ts';
import { commitWaitsMs, PeerTransport } from './peer-transport.ts';
import { decodeMessage } from './wire-messages.ts';

const [self, peer] = [1, 2] as VoterId[];
if (self === undefined || peer === undefined) throw new Error('two voters');
const term = 3 as Term;

/** A connection that notes what is written to it. */
class FakeStream extends EventEmitter {
  readonly written: string[] = [];

  write(bytes: Buffer): boolean {
    const message = decodeMessage(bytes);
    const entries = message?.kind === 'append' ? `:${message.entries.length}` : '';
    this.written.push(`${message?.kind}${entries}`);
    return true;
  }

  cancel(): void {}
}

let clock: FakeClock;
let stream: FakeStream;
let transport: PeerTransport;

beforeEach(() => {
  clock = new FakeClock();
  stream = new FakeStream();
  transport = new PeerTransport({
    self,
    dial: () => stream as unknown as DeliverStream,
    connect: () => {
      throw new Error('no snapshot is sent');
    },
    admit: () => ({ kind: 'admitted', nodeId: 'n2' }),
    received: () => undefined,
    clock,
    random: systemRandom,
    logger: silentLogger,
  });
  transport.start({ received: () => undefined, snapshotLost: () => undefined });
  transport.members([self, peer].map((id) => ({ id, nodeId: `n${id}`, addr: `h${id}:1` })));
});

function send(message: Message): void {
  transport.send({ from: self as VoterId, to: peer as VoterId, message });
}

function append(entries: readonly Entry[], commit = 8): Message {
  const previous = { index: 8 as LogIndex, term };
  return { kind: 'append', term, previous, entries, commit: commit as LogIndex };
}

const entry: Entry = { index: 9 as LogIndex, term, kind: 'normal', data: new Uint8Array(1) };

test('the news of a commit goes with the entries that follow it, and alone only when none do', async () => {
  send(append([]));
  await settlePromises();
  expect(stream.written).toEqual([]);
  send(append([entry]));
  await settlePromises();
  expect(stream.written).toEqual(['append:1']);
  await clock.advance(commitWaitsMs);
  expect(stream.written).toEqual(['append:1']);
  send(append([], 9));
  await clock.advance(commitWaitsMs);
  expect(stream.written).toEqual(['append:1', 'append:0']);
});

test('it is told before anything else, and at once when somebody looks for what was committed', async () => {
  send(append([]));
  send({ kind: 'heartbeat', term, commit: 8 as LogIndex, round: 1 });
  await settlePromises();
  expect(stream.written).toEqual(['append:0', 'heartbeat']);
  send(append([], 9));
  transport.hurryNews();
  await settlePromises();
  expect(stream.written).toEqual(['append:0', 'heartbeat', 'append:0']);
  await clock.advance(10 * commitWaitsMs);
  expect(stream.written).toHaveLength(3);
});
