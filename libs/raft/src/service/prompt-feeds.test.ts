import { EventEmitter } from 'node:events';
import type { FollowResponse } from '@shoal/proto';
import { type LogIndex, silentLogger, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import type { Entry } from '../types.ts';
import type { ServedFollow, ServedProposals } from '../wire/protocol.ts';
import type { ServedLog } from './served-log.ts';
import { VoterMachine } from './voter-machine.ts';
import { promptForMs, VoterService } from './voter-service.ts';

/** A log that grows when the test says so. */
class FakeLog {
  applied = 0;

  get status(): ServedLog['status'] {
    return { applied: this.applied as LogIndex, role: 'leader' };
  }

  entriesAfter(index: LogIndex): ReturnType<ServedLog['entriesAfter']> {
    const entries = Array.from({ length: this.applied - index }, (_, at): Entry => {
      const data = Buffer.alloc(1);
      return { index: (index + at + 1) as LogIndex, term: 1 as never, kind: 'normal', data };
    });
    return { kind: 'entries', entries };
  }

  readIndex(): ReturnType<ServedLog['readIndex']> {
    return Promise.resolve({ kind: 'read', index: this.applied as LogIndex });
  }
}

/** A follower that takes everything, and remembers when it had how much. */
class FakeStream extends EventEmitter {
  readonly had: string[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    super();
    this.#clock = clock;
  }

  write({ body }: FollowResponse, written?: () => void): boolean {
    const last = body?.$case === 'entries' ? body.value.entries.at(-1)?.index : undefined;
    if (last !== undefined) this.had.push(`${last} at ${this.#clock.monotonic()}`);
    written?.();
    return true;
  }

  end(): void {}
}

async function follow(prompt: boolean) {
  const clock = new FakeClock();
  const log = new FakeLog();
  const service = new VoterService({
    log: log as unknown as ServedLog,
    machine: new VoterMachine(),
    admit: () => ({ kind: 'admitted', nodeId: 'node' }),
    admitPresent: () => ({ kind: 'admitted', nodeId: 'node' }),
    status: () => {
      throw new Error('nobody asks for the status');
    },
    clock,
    random: systemRandom,
    logger: silentLogger,
  });
  const stream = new FakeStream(clock);
  const proposals = new EventEmitter() as unknown as ServedProposals;
  Object.assign(proposals, { write: () => true });
  service.serveProposals(proposals, { forwarded: false, follows: true });
  // Behind an entry before those of the test: it needs no snapshot.
  log.applied = 1;
  service.serveFollower(stream as unknown as ServedFollow, { follower: 'api', after: 1, prompt });
  await clock.advance(1);
  return {
    clock,
    stream,
    async commitEach(ms: number, times: number) {
      for (let at = 0; at < times; at += 1) {
        log.applied += 1;
        service.committed();
        await clock.advance(ms);
      }
    },
    ask() {
      proposals.emit('data', { requestId: 1, body: { $case: 'readIndex', value: {} } });
    },
  };
}

test('while nobody asks, who is to be prompt has entries at the pace of all', async () => {
  const { stream, commitEach } = await follow(true);
  await commitEach(2, 4);
  expect(stream.had).toEqual(['2 at 1', '4 at 6']);
});

test('who asks has all that is there, and from then on every entry at once', async () => {
  const { clock, stream, commitEach, ask } = await follow(true);
  await commitEach(1, 2);
  ask();
  await commitEach(1, 2);
  expect(stream.had).toEqual(['2 at 1', '3 at 3', '4 at 3', '5 at 4']);
  await clock.advance(promptForMs);
  stream.had.splice(0);
  await commitEach(1, 3);
  expect(stream.had).toHaveLength(1);
});

test('who is not to be prompt never is', async () => {
  const { stream, commitEach, ask } = await follow(false);
  ask();
  await commitEach(1, 4);
  expect(stream.had).toEqual(['2 at 1']);
});
