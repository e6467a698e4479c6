import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox, outboxBytesMax, outboxMessagesMax, writeBytesTarget } from './outbox.ts';

const message = (bytes: number): Buffer => Buffer.alloc(bytes);

test('what is put in comes out in order, in writes of a bounded size', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: writeBytesTarget * 2 }), { maxLength: 6 });
  fc.assert(
    fc.property(sizes, (given) => {
      const outbox = new Outbox();
      const messages = given.map(message);
      for (const each of messages) outbox.push(each, true);
      const taken: Buffer[] = [];
      while (outbox.size > 0) {
        const write = outbox.take();
        const bytes = write.reduce((sum, each) => sum + each.length, 0);
        expect(write.length === 1 || bytes <= writeBytesTarget).toBe(true);
        taken.push(...write);
      }
      expect(taken.length).toBe(messages.length);
      expect(taken.every((each, at) => each === messages[at])).toBe(true);
      expect(outbox.bytes).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('a peer that takes nothing costs a bounded number of bytes', () => {
  const outbox = new Outbox();
  const large = message(3 * 1024 * 1024);
  for (let at = 0; at < 20; at += 1) outbox.push(large, true);
  expect(outbox.bytes).toBeLessThanOrEqual(outboxBytesMax);
  expect(outbox.dropped).toBe(20 - outbox.size);
});

test('of too many messages the oldest append gives way, then the oldest of all', () => {
  const outbox = new Outbox();
  const vote = Buffer.from('vote');
  const first = Buffer.from('append');
  outbox.push(vote, false);
  outbox.push(first, true);
  for (let at = 0; at < outboxMessagesMax - 1; at += 1) outbox.push(message(1), false);
  expect([outbox.size, outbox.dropped]).toEqual([outboxMessagesMax, 1]);
  const kept = outbox.take();
  expect(kept[0]).toBe(vote);
  expect(kept).not.toContain(first);
});
