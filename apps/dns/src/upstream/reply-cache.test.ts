import type { Monotonic } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplyCache } from './reply-cache.ts';
import type { UpstreamReply } from './upstream-reply.ts';

const at = (ms: number): Monotonic => ms as Monotonic;

function reply(keepSeconds: number, bytes = 40): UpstreamReply {
  return {
    bytes: Buffer.alloc(bytes),
    questionBytes: 10,
    ttlOffsets: [],
    recordEnds: [],
    rcode: 0,
    keepSeconds,
  };
}

test('an answer is kept as long as it may be, and says how old it is', () => {
  const cache = new ReplyCache();
  cache.put('a', reply(10), at(1_000));
  expect(cache.get('a', at(1_000))?.ageSeconds).toBe(0);
  expect(cache.get('a', at(10_999))?.ageSeconds).toBe(9);
  expect(cache.get('a', at(11_000))).toBeUndefined();
  expect(cache.size).toBe(0);
});

test('what may not be kept is not', () => {
  const cache = new ReplyCache();
  cache.put('a', reply(0), at(0));
  expect(cache.get('a', at(0))).toBeUndefined();
});

test('what is used least goes first', () => {
  const cache = new ReplyCache({ entriesMax: 2, bytesMax: 1_000_000 });
  cache.put('a', reply(10), at(0));
  cache.put('b', reply(10), at(0));
  cache.get('a', at(1));
  cache.put('c', reply(10), at(2));
  expect(['a', 'b', 'c'].map((key) => cache.get(key, at(3)) !== undefined)).toEqual([
    true,
    false,
    true,
  ]);
});

test('it never holds more than it may, in entries or bytes', () => {
  const step = fc.record({ key: fc.nat({ max: 40 }), bytes: fc.nat({ max: 3_000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const cache = new ReplyCache({ entriesMax: 10, bytesMax: 8_000 });
      for (const { key, bytes } of steps) {
        cache.put(String(key), reply(10, bytes), at(0));
        expect(cache.size).toBeLessThanOrEqual(10);
        expect(cache.bytes).toBeLessThanOrEqual(8_000);
      }
      for (const { key } of steps) cache.get(String(key), at(20_000));
      expect(cache.size).toBe(0);
      expect(cache.bytes).toBe(0);
    }),
  );
});
