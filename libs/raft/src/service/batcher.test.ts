import { EntryPayload } from '@shoal/proto/entry';
import type { Clock, Instant, LogIndex, Monotonic } from '@shoal/runtime';
import { systemClock } from '@shoal/runtime';
import type { Transaction } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import {
  Batcher,
  batchesInFlightMax,
  type Checked,
  requestBytesMax,
  waitingBytesMax,
  waitingRequestsMax,
} from './batcher.ts';
import type { ProposedEntry } from './served-log.ts';

/** A log whose commits the test decides. */
class FakeLog {
  readonly entries: EntryPayload[] = [];
  readonly #waiting: ((result: ProposedEntry) => void)[] = [];

  propose(data: Uint8Array): Promise<ProposedEntry> {
    this.entries.push(EntryPayload.decode(data));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  commitNext(): void {
    const index = (this.entries.length - this.#waiting.length + 1) as LogIndex;
    this.#waiting.shift()?.({ kind: 'committed', index });
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const checked = (bytes: Buffer): Checked => ({ bytes, transaction: {} as Transaction });
const transaction = (text: string): Checked => checked(Buffer.from(text));

function batcherAt(clock: Partial<Clock> = {}): { log: FakeLog; batcher: Batcher } {
  const log = new FakeLog();
  const lastTime = 0 as Instant;
  const onPayload = (): void => undefined;
  const merged = { ...systemClock, ...clock };
  return { log, batcher: new Batcher({ log, clock: merged, lastTime, onPayload }) };
}

describe('the batcher', () => {
  test('what is asked for in one turn shares an entry; each is answered with its index', async () => {
    const { log, batcher } = batcherAt();
    const results = ['a', 'b', 'c'].map((text) => batcher.submit([transaction(text)]));
    await settle();
    expect(log.entries.map((entry) => entry.transactions.map(String))).toEqual([['a', 'b', 'c']]);
    log.commitNext();
    expect(await Promise.all(results)).toEqual(Array(3).fill({ kind: 'committed', index: 1 }));
  });

  test('keeps a few entries under way; what arrives meanwhile waits together', async () => {
    const { log, batcher } = batcherAt();
    for (let at = 0; at < batchesInFlightMax + 5; at += 1) {
      void batcher.submit([transaction(`${at}`)]);
      await settle();
    }
    expect(log.entries).toHaveLength(batchesInFlightMax);
    log.commitNext();
    await settle();
    expect(log.entries).toHaveLength(batchesInFlightMax + 1);
    expect(log.entries.at(-1)?.transactions).toHaveLength(5);
  });

  test('refuses what is too large, and says busy when too much waits', async () => {
    const { batcher } = batcherAt();
    const large = checked(Buffer.alloc(requestBytesMax + 1));
    expect(await batcher.submit([large])).toMatchObject({ kind: 'failed', code: 'too-large' });
    const most = checked(Buffer.alloc(requestBytesMax));
    const fitting = Math.floor(waitingBytesMax / requestBytesMax);
    for (let at = 0; at < fitting; at += 1) void batcher.submit([most]);
    expect(await batcher.submit([most])).toMatchObject({ kind: 'failed', code: 'busy' });
    expect(waitingRequestsMax).toBeGreaterThan(fitting);
  });

  test("the log's time never runs backwards, though the wall clock does", async () => {
    let now = 1_000;
    const monotonic = (): Monotonic => 0 as Monotonic;
    const { log, batcher } = batcherAt({ now: () => now as Instant, monotonic });
    batcher.passed(1_500 as Instant);
    void batcher.submit([transaction('a')]);
    await settle();
    now = 2_000;
    void batcher.submit([transaction('b')]);
    await settle();
    now = 500;
    void batcher.submit([transaction('c')]);
    await settle();
    expect(log.entries.map((entry) => entry.timeMs)).toEqual([1_500, 2_000, 2_000]);
  });

  test('it goes on, slowly, after a clock that was ahead was set right', async () => {
    const time = { now: 1_000, monotonic: 0 };
    const { log, batcher } = batcherAt({
      now: () => time.now as Instant,
      monotonic: () => time.monotonic as Monotonic,
    });
    batcher.passed(9_000 as Instant);
    for (let at = 0; at < 3; at += 1) {
      void batcher.submit([transaction('a')]);
      await settle();
      time.now += 6_000;
      time.monotonic += 6_000;
    }
    expect(log.entries.map((entry) => entry.timeMs)).toEqual([9_000, 12_000, 15_000]);
  });
});
