import { silentLogger } from '@shoal/runtime';
import { FakeClock, settle } from '@shoal/stage/testing';
import { expect, test } from 'vitest';
import { Keeper } from './keeper.ts';

test('looks at once, then at its pace, one look at a time', async () => {
  const clock = new FakeClock();
  const looks: (() => void)[] = [];
  const keeper = new Keeper({
    name: 'test',
    everyMs: 1_000,
    clock,
    logger: silentLogger,
    look: () => new Promise((resolve) => looks.push(resolve)),
  });
  await clock.advance(0);
  expect(looks).toHaveLength(1);
  keeper.wake();
  keeper.wake();
  await clock.advance(5_000);
  expect(looks).toHaveLength(1);
  looks[0]?.();
  await clock.advance(0);
  expect(looks).toHaveLength(2);
  looks[1]?.();
  await clock.advance(999);
  expect(looks).toHaveLength(2);
  await clock.advance(1);
  expect(looks).toHaveLength(3);
  let stopped = false;
  const stop = keeper.stop().then(() => {
    stopped = true;
  });
  await settle();
  expect(stopped).toBe(false);
  looks[2]?.();
  await stop;
  await clock.advance(10_000);
  expect(looks).toHaveLength(3);
});

test('a look that fails is followed by the next', async () => {
  const clock = new FakeClock();
  let looks = 0;
  const keeper = new Keeper({
    name: 'test',
    everyMs: 10,
    clock,
    logger: silentLogger,
    look: async () => {
      looks += 1;
      throw new Error('not now');
    },
  });
  await clock.advance(25);
  expect(looks).toBe(3);
  await keeper.stop();
});
