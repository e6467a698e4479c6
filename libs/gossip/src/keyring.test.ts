import { systemRandom } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gossipKeyBytes, Keyring, sealBytes } from './keyring.ts';

const key = (number: number) => ({ number, key: new Uint8Array(gossipKeyBytes).fill(number) });
const ring = (numbers: readonly number[], primary: number): Keyring =>
  new Keyring(systemRandom, numbers.map(key), primary);

test('what is sealed opens, and takes so many bytes more', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (plain) => {
      const sealed = ring([1], 1).seal(plain);
      expect(sealed.length).toBe(plain.length + sealBytes);
      expect(Uint8Array.from(ring([1], 1).open(sealed) ?? [])).toEqual(plain);
    }),
  );
});

test.each([
  { step: 'both know the old key', sender: ring([1], 1), receiver: ring([1], 1), opens: true },
  { step: 'one has the new key too', sender: ring([1], 1), receiver: ring([1, 2], 1), opens: true },
  { step: 'it is primary there', sender: ring([1, 2], 2), receiver: ring([1, 2], 1), opens: true },
  {
    step: 'the old one is gone there',
    sender: ring([1, 2], 2),
    receiver: ring([2], 2),
    opens: true,
  },
  {
    step: 'the sender slept through it',
    sender: ring([1], 1),
    receiver: ring([2], 2),
    opens: false,
  },
])('while keys rotate: $step, opens $opens', ({ sender, receiver, opens }) => {
  const opened = receiver.open(sender.seal(Buffer.from('news')));
  expect(opened && Buffer.from(opened).toString()).toBe(opens ? 'news' : undefined);
});

test('a changed bit, a cut or another key of the same number opens nothing', () => {
  const sealed = ring([1], 1).seal(Buffer.from('news'));
  for (let at = 0; at < sealed.length; at += 1) {
    const bent = Uint8Array.from(sealed);
    bent[at] = (bent[at] ?? 0) ^ 1;
    expect(ring([1], 1).open(bent)).toBeUndefined();
    expect(ring([1], 1).open(sealed.subarray(0, at))).toBeUndefined();
  }
  const other = new Keyring(systemRandom, [{ number: 1, key: key(9).key }], 1);
  expect(other.open(sealed)).toBeUndefined();
});

test('the number of a key goes along in 16 bits', () => {
  const late = ring([65_537], 65_537);
  expect(late.open(late.seal(Buffer.from('news')))).toBeDefined();
});

test('the primary key must be one of them', () => {
  expect(() => ring([1], 2)).toThrow('the primary key is one of the keys');
});
