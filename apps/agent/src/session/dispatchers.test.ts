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
