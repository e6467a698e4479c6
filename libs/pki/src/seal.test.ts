import { systemRandom } from '@shoal/runtime';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newSealKey, seal, unseal } from './seal.ts';

const key = newSealKey(systemRandom);

test('what is sealed opens with the same key and the same words', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (plain, associated) => {
      const opened = unseal(key, seal(key, plain, associated), associated);
      return opened?.equals(plain);
    }),
  );
});

test('another key, another place or one changed bit does not open', () => {
  const sealed = seal(key, 'secret', 'cluster/a/root-key');
  expect(unseal(newSealKey(systemRandom), sealed, 'cluster/a/root-key')).toBeUndefined();
  expect(unseal(key, sealed, 'cluster/b/root-key')).toBeUndefined();
  const bytes = Buffer.from(sealed.sealed, 'base64');
  for (let at = 0; at < bytes.length; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const value = { sealed: changed.toString('base64') };
    expect(unseal(key, value, 'cluster/a/root-key')).toBeUndefined();
  }
  expect(unseal(key, { sealed: 'AAAA' }, 'cluster/a/root-key')).toBeUndefined();
});

test('the same value never looks the same twice', () => {
  expect(seal(key, 'secret', 'a').sealed).not.toBe(seal(key, 'secret', 'a').sealed);
});
