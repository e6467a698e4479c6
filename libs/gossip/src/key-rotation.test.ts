import { type Clock, type Instant, type Monotonic, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { KeyRotation } from './key-rotation.ts';
import { gossipKeyBytes } from './keyring.ts';
import { keyPromotedAfterMs } from './limits.ts';

const key = (number: number) => ({ number, key: new Uint8Array(gossipKeyBytes).fill(number) });
const news = Buffer.from('news');

class FakeClock implements Clock {
  ms = 0;
  now = () => this.ms as Instant;
  monotonic = () => this.ms as Monotonic;
  after = () => ({ cancel: () => undefined });
}

function host(numbers: readonly number[], clock = new FakeClock()): KeyRotation {
  const keys = new KeyRotation(systemRandom, clock);
  keys.replace(numbers.map(key));
  return keys;
}

/** Which of the hosts can open what this one seals. */
function heardBy(sender: KeyRotation, receivers: readonly KeyRotation[]): readonly boolean[] {
  const sealed = sender.seal(news);
  return receivers.map((one) => sealed !== undefined && one.open(sealed) !== undefined);
}

test('without a key nothing is sealed or opened', () => {
  const keys = new KeyRotation(systemRandom, new FakeClock());
  keys.replace([]);
  expect(keys.hasKeys).toBe(false);
  expect(keys.seal(news)).toBeUndefined();
  expect(keys.open(host([1]).seal(news) ?? news)).toBeUndefined();
});

test('a new key is not used before others have heard of it too', () => {
  const clock = new FakeClock();
  const sender = host([1], clock);
  const [early, late] = [host([2, 1]), host([1])];
  sender.replace([2, 1].map(key));
  expect(heardBy(sender, [early, late])).toEqual([true, true]);
  clock.ms = keyPromotedAfterMs - 1;
  sender.replace([2, 1].map(key));
  expect(heardBy(sender, [early, late])).toEqual([true, true]);
  clock.ms = keyPromotedAfterMs;
  expect(heardBy(sender, [early, late])).toEqual([true, false]);
});

test('who is new begins with the key that all others have too', () => {
  expect(heardBy(host([3, 2, 1]), [host([2, 1]), host([3])])).toEqual([true, false]);
});

test('when all keys that were known go, the new one is used at once', () => {
  const sender = host([2, 1]);
  sender.replace([key(3)]);
  expect(heardBy(sender, [host([3]), host([2])])).toEqual([true, false]);
});
