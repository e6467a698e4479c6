/** What the core counts; the process gives Prometheus' counters, tests and simulations nothing. */
export interface DispatcherMetrics {
  sessions(open: number): void;
  heartbeat(): void;
  registration(outcome: 'accepted' | 'refused'): void;
  assignments(sent: number, removed: number): void;
  /** One proposal with `writes` transactions. */
  batch(writes: number): void;
  write(outcome: 'committed' | 'obsolete' | 'retried' | 'dropped'): void;
  nodeDown(): void;
  logLines(count: number): void;
  /** Reasons told why lines are missing. */
  logGaps(count: number): void;
  logSubscriptions(open: number): void;
  /** A node was told all of a network, because its `kind` differed from what the log implies. */
  networkRepair(kind: 'names' | 'balancer' | 'peers'): void;
}

export const noMetrics: DispatcherMetrics = {
  sessions: () => undefined,
  heartbeat: () => undefined,
  registration: () => undefined,
  assignments: () => undefined,
  batch: () => undefined,
  write: () => undefined,
  nodeDown: () => undefined,
  logLines: () => undefined,
  logGaps: () => undefined,
  logSubscriptions: () => undefined,
  networkRepair: () => undefined,
};
