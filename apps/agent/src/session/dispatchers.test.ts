import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dispatchers } from './dispatchers.ts';

const first = { next: () => 0, bytes: (count: number) => new Uint8Array(count) };

test('the own one first, another when it failed, the failed one when there is no other', () => {
  const dispatchers = new Dispatchers(first);
  expect(dispatchers.next()).toBeUndefined();
  dispatchers.configure('own:1', []);
  expect(dispatchers.next()).toBe('own:1');
  dispatchers.failed('own:1');
  expect(dispatchers.next()).toBe('own:1');
  dispatchers.told(['own:1', 'other:1']);
  dispatchers.failed('own:1');
  expect(dispatchers.next()).toBe('other:1');
  dispatchers.worked();
  expect(dispatchers.next()).toBe('own:1');
});

test('what a session told is kept until it tells something else', () => {
  const dispatchers = new Dispatchers(first);
  dispatchers.configure('', ['a:1']);
  dispatchers.told(['b:1']);
  dispatchers.told([]);
  expect(dispatchers.next()).toBe('b:1');
  dispatchers.failed('b:1');
  expect(dispatchers.next()).toBe('a:1');
});

test('whoever is dead, one that lives is found before any is tried twice', () => {
  const address = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const addresses = fc.uniqueArray(address);
  fc.assert(
    fc.property(
      fc.option(address, { nil: '' }),
      addresses,
      addresses,
      address,
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 8, maxLength: 8 }),
      (own, configured, told, alive, chances) => {
        const random = { ...first, next: () => chances.shift() ?? 0 };
        const dispatchers = new Dispatchers(random);
        dispatchers.configure(own, configured);
        dispatchers.told(told);
        const all = new Set([own, ...configured, ...told]);
        all.delete('');
        fc.pre(all.has(alive));
        const tried: (string | undefined)[] = [];
        for (let next = dispatchers.next(); next !== alive; next = dispatchers.next()) {
          expect(tried).not.toContain(next);
          tried.push(next);
          dispatchers.failed(next ?? '');
        }
        expect(tried.length).toBeLessThan(all.size);
      },
    ),
  );
});
