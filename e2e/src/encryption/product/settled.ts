import { setTimeout as pause } from 'node:timers/promises';

/** Looks cost much in a machine that is emulated. */
const lookMs = 500;

/** Polls until the condition holds; fails with its last error once the deadline has passed. */
export async function settled(
  what: string,
  condition: () => Promise<boolean>,
  deadlineMs: number,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end)
      throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: last });
    await pause(lookMs);
  }
}
