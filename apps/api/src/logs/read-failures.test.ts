import type { Monotonic } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { givenUpAfterMs, retryMs } from './limits.ts';
import { ReadFailures } from './read-failures.ts';

test('pauses grow up to a limit, and what lasts is told from what does not', () => {
  const failures = new ReadFailures();
  let now = 1_000 as Monotonic;
  const delays: number[] = [];
  for (let tries = 0; tries < 20; tries += 1) {
    const { isLong, delayMs } = failures.add(now);
    expect(isLong).toBe(now - 1_000 >= givenUpAfterMs);
    delays.push(delayMs);
    now = (now + delayMs) as Monotonic;
  }
  expect(delays.slice(0, 2)).toEqual([retryMs.first, 2 * retryMs.first]);
  expect(delays.at(-1)).toBe(retryMs.most);
  failures.end();
  expect(failures.add(now)).toEqual({ isLong: false, delayMs: retryMs.first });
});
