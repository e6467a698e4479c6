import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameReader, framesOf, lengthBytes } from './frames.ts';

const bytesMax = 300;
const messages = fc.array(fc.uint8Array({ maxLength: bytesMax }), { maxLength: 20 });

/** All messages that come of the bytes, and whether the reader gave up. */
function readAll(reader: FrameReader, chunks: Iterable<Buffer>): [Buffer[], boolean] {
  const read: Buffer[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (;;) {
      const next = reader.next();
      if (next === 'too-large') return [read, true];
      if (next === 'incomplete') break;
      read.push(next);
    }
  }
  return [read, false];
}

function* pieces(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    // As a socket gives them: none shares memory with the one before.
    yield Buffer.from(bytes.subarray(at, at + size));
    at += size;
  }
}

test('messages come out as they went in, however the bytes are cut', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(messages, sizes, (sent, cuts) => {
      const [read, gaveUp] = readAll(new FrameReader(bytesMax), pieces(framesOf(sent), cuts));
      expect(gaveUp).toBe(false);
      expect(read.map((message) => [...message])).toEqual(sent.map((message) => [...message]));
    }),
  );
});

test('what is cut off in the middle of a message is no message', () => {
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 100 }), (sent, missing) => {
      const bytes = framesOf(sent);
      const kept = bytes.subarray(0, Math.max(0, bytes.length - missing));
      const [read] = readAll(new FrameReader(bytesMax), [kept]);
      expect(read.length).toBeLessThanOrEqual(Math.max(0, sent.length - 1));
      for (const [at, message] of read.entries())
        expect([...message]).toEqual([...(sent[at] ?? [])]);
    }),
  );
});

test('any bytes at all end in messages of allowed size, or in giving up', () => {
  const anything = fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 30 });
  fc.assert(
    fc.property(anything, (chunks) => {
      const reader = new FrameReader(bytesMax);
      const [read, gaveUp] = readAll(
        reader,
        chunks.map((chunk) => Buffer.from(chunk)),
      );
      for (const message of read) expect(message.length).toBeLessThanOrEqual(bytesMax);
      const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
      const used = read.reduce((sum, message) => sum + lengthBytes + message.length, 0);
      expect(used).toBeLessThanOrEqual(total);
      if (!gaveUp) expect(total - used).toBeLessThan(lengthBytes + bytesMax);
    }),
    { numRuns: 500 },
  );
});

test('a message that is too large is not waited for', () => {
  const reader = new FrameReader(10);
  reader.push(framesOf([Buffer.alloc(10), Buffer.alloc(11)]).subarray(0, 14 + lengthBytes));
  expect(reader.next()).toEqual(Buffer.alloc(10));
  expect(reader.next()).toBe('too-large');
  expect(reader.next()).toBe('too-large');
});

test('the bound may be raised between two messages that came together', () => {
  const reader = new FrameReader(1);
  reader.push(framesOf([Buffer.alloc(1), Buffer.alloc(100)]));
  expect(reader.next()).toEqual(Buffer.alloc(1));
  reader.messageBytesMax = 100;
  expect(reader.next()).toEqual(Buffer.alloc(100));
  expect(reader.next()).toBe('incomplete');
});
