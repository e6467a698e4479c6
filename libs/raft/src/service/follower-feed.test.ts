import type { FollowResponse } from '@shoal/proto';
import type { LogIndex, Monotonic } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../types.ts';
import { following } from '../wire/protocol.ts';
import { EntryMessages, entriesBytesMax, feeding } from './entry-messages.ts';
import { FollowerFeed, ImageSlots, snapshotChunkBytesMax, unwrittenMax } from './follower-feed.ts';
import type { ServedLog } from './served-log.ts';

/** A log of entries of one kibibyte, whose older part may be compacted. */
class FakeLog {
  applied = 0 as LogIndex;
  base = 0;
  imagesOpen = 0;
  pieces = 3;

  get status(): ServedLog['status'] {
    return { applied: this.applied, role: 'leader' };
  }

  entriesAfter(index: LogIndex, bytesMax: number): ReturnType<ServedLog['entriesAfter']> {
    if (index < this.base) return { kind: 'compacted' };
    const count = Math.min(this.applied - index, Math.max(1, Math.floor(bytesMax / 1024)));
    const entries = Array.from({ length: count }, (_, at): Entry => {
      const data = Buffer.alloc(1024);
      return { index: (index + at + 1) as LogIndex, term: 1 as never, kind: 'normal', data };
    });
    return { kind: 'entries', entries };
  }

  image(): ReturnType<ServedLog['image']> {
    this.imagesOpen += 1;
    const { pieces } = this;
    const chunks = (function* (log: FakeLog) {
      try {
        for (let at = 0; at < pieces; at += 1) yield Buffer.alloc(snapshotChunkBytesMax + 1);
      } finally {
        log.imagesOpen -= 1;
      }
    })(this);
    return { index: this.applied, chunks };
  }
}

/** A follower's connection that takes messages when the test says so. */
class FakeStream {
  readonly messages: FollowResponse[] = [];
  readonly #written: (() => void)[] = [];

  write(message: FollowResponse, written: () => void): boolean {
    this.messages.push(message);
    this.#written.push(written);
    return true;
  }

  take(count: number): void {
    for (const written of this.#written.splice(0, count)) written();
  }

  get text(): string {
    return this.messages
      .map(({ body }) => {
        if (body?.$case === 'snapshot') return body.value.last ? 'last' : 'piece';
        const entries = body?.value.entries ?? [];
        return `${entries[0]?.index ?? '-'}..${entries.at(-1)?.index ?? '-'}`;
      })
      .join(' ');
  }
}

function messagesOf(log: FakeLog): EntryMessages {
  return new EntryMessages(log as unknown as ServedLog);
}

function feedOf(
  log: FakeLog,
  after: number,
  slots = new ImageSlots(1),
  messages = messagesOf(log),
  now = () => 7,
) {
  const call = new FakeStream();
  const opening = { after, follower: 'test', prompt: true };
  const served = log as unknown as ServedLog;
  const clock = (): Monotonic => now() as Monotonic;
  const feed = new FollowerFeed(call, opening, served, messages, slots, clock);
  feed.pump();
  return { call, feed };
}

describe('a follower feed', () => {
  test('sends a snapshot, the entries after it, and then what comes', () => {
    const log = new FakeLog();
    log.applied = 10 as LogIndex;
    const { call, feed } = feedOf(log, 0);
    call.take(3);
    log.applied = 12 as LogIndex;
    call.take(100);
    expect(call.text).toBe('piece piece piece piece piece last -..- 11..12');
    log.applied = 13 as LogIndex;
    feed.pump();
    expect(call.text).toContain('11..12 13..13');
    expect(log.imagesOpen).toBe(0);
  });

  test('tells one that has everything that it has, once', () => {
    const log = new FakeLog();
    const { call, feed } = feedOf(log, 0);
    feed.pump();
    expect(call.text).toBe('-..-');
    log.applied = 5 as LogIndex;
    const { call: other } = feedOf(log, 5);
    expect(other.text).toBe('-..-');
  });

  test('a slow follower holds a few messages, not the log; then it gets the rest', () => {
    const log = new FakeLog();
    log.applied = 1 as LogIndex;
    const { call, feed } = feedOf(log, 1);
    for (let at = 0; at < 5_000; at += 1) {
      log.applied = (log.applied + 1) as LogIndex;
      feed.pump();
    }
    expect(call.messages.length).toBe(unwrittenMax);
    expect(feed.stalledSince).toBe(7);
    const perMessage = entriesBytesMax / 1024;
    for (let at = 0; at < 5_000 / perMessage; at += 1) call.take(1);
    expect(call.text.endsWith('..5001')).toBe(true);
    call.take(unwrittenMax);
    expect(feed.stalledSince).toBeUndefined();
  });

  test('one that had nothing to take for long has not stalled', () => {
    const log = new FakeLog();
    let now = 7;
    const { call, feed } = feedOf(log, 0, undefined, undefined, () => now);
    call.take(1);
    now = 60_000;
    for (let at = 0; at < unwrittenMax; at += 1) {
      log.applied = (log.applied + 1) as LogIndex;
      feed.pump();
    }
    expect(feed.stalledSince).toBe(60_000);
    now = 61_000;
    call.take(1);
    expect(feed.stalledSince).toBeUndefined();
  });

  test('who stands at the same place gets the same message, encoded once; who does not, its own', () => {
    const log = new FakeLog();
    const messages = messagesOf(log);
    const slots = new ImageSlots(1);
    log.applied = 4 as LogIndex;
    const feeds = [4, 4, 2].map((after) => feedOf(log, after, slots, messages));
    log.applied = 6 as LogIndex;
    for (const { feed } of feeds) feed.pump();
    const [first, second, third] = feeds.map(({ call }) => call.messages.at(-1));
    expect(feeds.map(({ call }) => call.text)).toEqual(['-..- 5..6', '-..- 5..6', '3..4 5..6']);
    expect(first).toBe(second);
    expect(first).toBe(third);
    if (first === undefined) throw new Error('there is no message');
    const bytes = feeding.encode(first);
    expect(feeding.encode(first)).toBe(bytes);
    expect(following.decode(Buffer.from(bytes))).toEqual(first);
  });

  test('one that fell behind the kept log gets a snapshot', () => {
    const log = new FakeLog();
    log.applied = 100 as LogIndex;
    log.base = 50;
    const { call } = feedOf(log, 20);
    for (let at = 0; at < 10; at += 1) call.take(1);
    log.applied = 101 as LogIndex;
    expect(call.text).toBe('piece piece piece piece piece last -..-');
  });

  test('images are bounded; the next follower gets its own when one is done or gone', () => {
    const log = new FakeLog();
    log.applied = 10 as LogIndex;
    const slots = new ImageSlots(1);
    const [first, second, third] = [1, 2, 3].map(() => feedOf(log, 0, slots));
    expect(log.imagesOpen).toBe(1);
    expect(second?.call.messages).toEqual([]);
    second?.feed.close();
    first?.feed.close();
    expect(third?.call.messages).toHaveLength(unwrittenMax);
    expect(log.imagesOpen).toBe(1);
  });
});
