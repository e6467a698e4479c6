import { pause, systemClock } from '@shoal/runtime';

/** Resolves once `condition` holds. @throws after `deadlineMs`. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 10_000,
): Promise<void> {
  const end = systemClock.monotonic() + deadlineMs;
  while (!(await condition())) {
    if (systemClock.monotonic() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await pause(systemClock, 10);
  }
}
