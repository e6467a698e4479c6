import { expect, test } from 'vitest';
import { Turns, waitingMax } from './turns.ts';

const round = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('one piece in each round of the event loop, in order', async () => {
  const turns = new Turns();
  const done: string[] = [];
  for (const name of ['a', 'b', 'c']) turns.next(() => done.push(name));
  expect(done).toEqual([]);
  for (const seen of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
    await round();
    expect(done).toEqual(seen);
  }
});

test('work that goes on lets others go first', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const long = (left: number) => (): void => {
    done.push('long');
    if (left > 1) turns.next(long(left - 1));
  };
  turns.next(long(3));
  turns.next(() => done.push('short'));
  for (let at = 0; at < 4; at += 1) await round();
  expect(done).toEqual(['long', 'short', 'long', 'long']);
});

test('what waits is bounded', async () => {
  const turns = new Turns();
  for (let at = 0; at < waitingMax; at += 1) turns.next(() => undefined);
  expect(() => turns.next(() => undefined)).toThrow('too many long lists');
  await round();
  expect(() => turns.next(() => undefined)).not.toThrow();
});
