import { Counter, Gauge, type Registry } from 'prom-client';
import type { DispatcherMetrics } from '../core/metrics.ts';

/** The core's counts as Prometheus metrics on `registry`; call once a process. */
export function dispatcherMetrics(registry: Registry): DispatcherMetrics {
  const registers = [registry];
  const sessions = new Gauge({
    name: 'shoal_dispatcher_sessions',
    help: 'Sessions of agents that are open here.',
    registers,
  });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `shoal_dispatcher_${name}_total`, help, labelNames, registers });
  const heartbeats = counter('heartbeats', 'Heartbeats received.');
  const registrations = counter('registrations', 'Registrations, by outcome.', ['outcome']);
  const assignments = counter('assignments_sent', 'Assignments sent to agents.');
  const removals = counter('removals_sent', 'Removals of tasks sent to agents.');
  const batches = counter('status_batches', 'Proposals with what agents reported.');
  const batched = counter('status_batch_writes', 'Transactions in those proposals.');
  const writes = counter('writes', 'Reported changes, by how they ended.', ['outcome']);
  const down = counter('nodes_down', 'Nodes marked as down.');
  const lines = counter('log_lines', 'Log lines relayed.');
  const gaps = counter('log_gaps', 'Reasons told why log lines are missing.');
  const subscriptions = new Gauge({
    name: 'shoal_dispatcher_log_subscriptions',
    help: 'Log subscriptions that are open here.',
    registers,
  });
  const repairs = counter(
    'network_repairs',
    'Networks that a node was told anew because it served something else than the log implies.',
    ['kind'],
  );
  return {
    sessions: (open) => sessions.set(open),
    heartbeat: () => heartbeats.inc(),
    registration: (outcome) => registrations.inc({ outcome }),
    assignments: (sent, removed) => {
      assignments.inc(sent);
      removals.inc(removed);
    },
    batch: (count) => {
      batches.inc();
      batched.inc(count);
    },
    write: (outcome) => writes.inc({ outcome }),
    nodeDown: () => down.inc(),
    logLines: (count) => lines.inc(count),
    logGaps: (count) => gaps.inc(count),
    logSubscriptions: (open) => subscriptions.set(open),
    networkRepair: (kind) => repairs.inc({ kind }),
  };
}
