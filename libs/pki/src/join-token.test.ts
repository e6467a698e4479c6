import { systemRandom } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isJoinToken, newJoinToken, sameToken, tokenPins } from './join-token.ts';

const root = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

test("a token has Swarm's form and pins its root", () => {
  const token = newJoinToken(root, systemRandom);
  expect(token).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
  expect(isJoinToken(token)).toBe(true);
  expect(tokenPins(token, root)).toBe(true);
  expect(tokenPins(token, `${root} `)).toBe(false);
});

test('the digest is SHA-256 in base 36, and small secrets are padded', () => {
  const zeros = { next: () => 0, bytes: (count: number) => new Uint8Array(count) };
  // printf abc | sha256sum, turned into base 36 by hand.
  const digest = BigInt('0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(newJoinToken('abc', zeros)).toBe(
    `SWMTKN-1-${digest.toString(36).padStart(50, '0')}-${'0'.repeat(25)}`,
  );
});

test('only the very same token is the same', () => {
  const token = newJoinToken(root, systemRandom);
  expect(sameToken(token, token)).toBe(true);
  fc.assert(fc.property(fc.string(), (other) => sameToken(other, token) === (other === token)));
});

test('whatever the root and the secret, a token has the form, pins that root and no other', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(fc.string(), fc.string(), bytes, (pinned, other, secret) => {
      const token = newJoinToken(pinned, { next: () => 0, bytes: () => secret });
      expect(isJoinToken(token)).toBe(true);
      expect(tokenPins(token, pinned)).toBe(true);
      expect(tokenPins(token, other)).toBe(other === pinned);
      const read = BigInt(`0x${Buffer.from(secret).toString('hex')}`);
      expect(token.slice(-25)).toBe(read.toString(36).padStart(25, '0'));
    }),
  );
});

test('one changed character makes another token', () => {
  const token = newJoinToken(root, systemRandom);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'0az-Z '), (at, letter) => {
      const changed = token.slice(0, at) + letter + token.slice(at + 1);
      return sameToken(changed, token) === (changed === token);
    }),
  );
});

test.each(['', 'SWMTKN-1-', 'SWMTKN-2-0-x-y', `SWMTKN-1-${'a'.repeat(50)}-${'b'.repeat(24)}`])(
  '%j is no token',
  (text) => {
    expect(isJoinToken(text)).toBe(false);
    expect(tokenPins(text, root)).toBe(false);
  },
);
