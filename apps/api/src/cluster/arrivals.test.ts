import { expect, test } from 'vitest';
import { Arrivals } from './arrivals.ts';

test('each waiter hears the first thing that happens after it began to wait', async () => {
  const arrivals = new Arrivals();
  arrivals.arrived();
  const first = arrivals.next();
  const second = arrivals.next();
  arrivals.refused('not today');
  arrivals.arrived();
  expect(await first.arrival).toEqual({ kind: 'refused', message: 'not today' });
  expect(await second.arrival).toEqual({ kind: 'refused', message: 'not today' });
  const third = arrivals.next();
  arrivals.arrived();
  expect(await third.arrival).toEqual({ kind: 'arrived' });
});
