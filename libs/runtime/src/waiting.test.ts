import { expect, test } from 'vitest';
import type { Clock } from './clock.ts';
import { pause, within } from './waiting.ts';

/** Timers that fire when the test says so. */
class FakeTimers implements Pick<Clock, 'after'> {
  readonly pending = new Map<() => void, number>();

  after(delayMs: number, fire: () => void) {
    this.pending.set(fire, delayMs);
    return { cancel: () => void this.pending.delete(fire) };
  }

  fire(): void {
    for (const fire of [...this.pending.keys()]) {
      this.pending.delete(fire);
      fire();
    }
  }
}

const never = new Promise<string>(() => undefined);

test.each([
  ['in time', Promise.resolve('done'), 'done'],
  ['too late', never, undefined],
])('the result of work that ends %s', async (_when, work, result) => {
  const timers = new FakeTimers();
  const found = within(timers, 70, work);
  expect([...timers.pending.values()]).toEqual([70]);
  if (work === never) timers.fire();
  expect(await found).toBe(result);
  await expect.poll(() => timers.pending.size).toBe(0);
});

test('work that fails in time fails for whoever waits', async () => {
  const timers = new FakeTimers();
  const found = within(timers, 70, Promise.reject(new Error('broken')));
  await expect(found).rejects.toThrow('broken');
  await expect.poll(() => timers.pending.size).toBe(0);
});

test('work that fails after its time is nobody’s', async () => {
  const timers = new FakeTimers();
  let fail: (error: Error) => void = () => undefined;
  const work = new Promise<string>((_resolve, reject) => {
    fail = reject;
  });
  const found = within(timers, 70, work);
  timers.fire();
  expect(await found).toBeUndefined();
  fail(new Error('late'));
  await expect(work).rejects.toThrow('late');
});

test('a pause ends with its timer', async () => {
  const timers = new FakeTimers();
  let over = false;
  const paused = pause(timers, 30).then(() => {
    over = true;
  });
  expect([...timers.pending.values()]).toEqual([30]);
  await Promise.resolve();
  expect(over).toBe(false);
  timers.fire();
  await paused;
  expect(over).toBe(true);
});
