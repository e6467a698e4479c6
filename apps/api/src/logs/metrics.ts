import { Counter, Gauge, type Registry } from 'prom-client';

/** What is counted of followed logs. */
export interface LogMetrics {
  followers(open: number): void;
  /** Tasks whose newest lines are followed for all who want them. */
  feeds(open: number): void;
  /** Logs that are read for single followers. */
  reads(open: number, waiting: number): void;
  /** Written to clients. */
  lines(count: number): void;
  /** A client was told why lines are missing. */
  gap(): void;
  /** A follower was too slow for the newest lines and reads what it missed from the node. */
  behind(): void;
}

/** The counts as Prometheus metrics on `registry`; call once a process. */
export function logMetrics(registry: Registry): LogMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `shoal_api_log_${name}`, help, labelNames, registers });
  const counter = (name: string, help: string) =>
    new Counter({ name: `shoal_api_log_${name}_total`, help, registers });
  const followers = gauge('followers', 'Clients that read a log of a service or task.');
  const feeds = gauge('feeds', 'Tasks whose newest lines are followed.');
  const reads = gauge('reads', 'Logs read for single clients, by state.', ['state']);
  const lines = counter('lines', 'Log lines written to clients.');
  const gaps = counter('gaps', 'Times that a client was told why lines are missing.');
  const behind = counter('behind', 'Times that a follower was too slow and had to read again.');
  return {
    followers: (open) => followers.set(open),
    feeds: (open) => feeds.set(open),
    reads: (open, waiting) => {
      reads.set({ state: 'open' }, open);
      reads.set({ state: 'waiting' }, waiting);
    },
    lines: (count) => lines.inc(count),
    gap: () => gaps.inc(),
    behind: () => behind.inc(),
  };
}
