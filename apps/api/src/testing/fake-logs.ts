import { systemClock, systemRandom } from '@shoal/runtime';
import { LogHub } from '../logs/log-hub.ts';
import type { LogSource } from '../logs/log-source.ts';
import type { LogMetrics } from '../logs/metrics.ts';

export const noLogMetrics: LogMetrics = {
  followers: () => undefined,
  feeds: () => undefined,
  reads: () => undefined,
  lines: () => undefined,
  gap: () => undefined,
  behind: () => undefined,
};

/** Dispatchers that never answer. */
export const silentLogs: LogSource = {
  subscribe: () => ({
    pause: () => undefined,
    resume: () => undefined,
    cancel: () => undefined,
  }),
};

/** Logs as the routes read them, from a source of the test. */
export function fakeLogs(source: LogSource, isManager: () => boolean = () => true): LogHub {
  const outside = { clock: systemClock, random: systemRandom, metrics: noLogMetrics };
  return new LogHub({ source, isCurrent: isManager, ...outside });
}
