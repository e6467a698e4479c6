import { setTimeout as pause } from 'node:timers/promises';

const pollMs = 50;

/**
 * Polls until `condition` gives something other than undefined or false, and gives that back. Fails
 * with the last error or value once the deadline has passed.
 */
export async function eventually<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 30_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: last });
    }
    await pause(pollMs);
  }
}
