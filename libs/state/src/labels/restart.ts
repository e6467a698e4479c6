import type { Labels } from '../spec.ts';
import { parseDuration } from './duration.ts';
import { labelFault } from './fault.ts';

/** Label of services: `off`, or the longest wait between restarts of a task that keeps failing. */
export const restartBackoffLabel = 'shoal.restart.backoff';

/** Longest wait between restarts when nothing is said, milliseconds. */
export const backoffCapDefaultMs = 300_000;

/** The longest wait, milliseconds; undefined when waits are not to grow. */
export function backoffCapMs(labels: Labels): number | undefined {
  const text = labels[restartBackoffLabel];
  if (text === 'off') return undefined;
  const parsed = parseDuration(text ?? '');
  return parsed.kind === 'duration' ? parsed.ms : backoffCapDefaultMs;
}

/** What is wrong with the label, in one sentence; undefined when nothing is. */
export function checkRestartLabels(labels: Labels): string | undefined {
  const text = labels[restartBackoffLabel];
  if (text === undefined || text === 'off' || parseDuration(text).kind === 'duration')
    return undefined;
  return labelFault(restartBackoffLabel, text, 'off or a duration such as 90s or 5m');
}
