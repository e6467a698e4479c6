import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { StageName } from '../stage.ts';
import { Causes } from './causes.ts';

/** From a quarter of a millisecond to eight seconds. */
const secondsBuckets = [0.000_25, 0.001, 0.004, 0.016, 0.064, 0.25, 1, 2, 8];

export interface StageMetrics {
  stepped(seconds: number, lagSeconds: number): void;
  transactions(outcome: 'committed' | 'refused' | 'failed', count: number): void;
  refused(kind: string): void;
  /** Changes that were committed, and the reason their transaction gave. */
  changed(reason: string, count: number): void;
  position(logIndex: number, leaseEpoch: number): void;
}

/** The shell's metrics on `registry`; call once a process and stage. */
export function stageMetrics(registry: Registry, stage: StageName): StageMetrics {
  const registers = [registry];
  const labels = { stage };
  const steps = new Counter({
    name: 'shoal_stage_steps_total',
    help: 'Steps taken.',
    labelNames: ['stage'],
    registers,
  });
  const stepSeconds = new Histogram({
    name: 'shoal_stage_step_seconds',
    help: 'Time one step took, without its proposals.',
    labelNames: ['stage'],
    buckets: secondsBuckets,
    registers,
  });
  const lagSeconds = new Histogram({
    name: 'shoal_stage_lag_seconds',
    help: 'From the arrival of the oldest change to the step that looked at it.',
    labelNames: ['stage'],
    buckets: secondsBuckets,
    registers,
  });
  const transactions = new Counter({
    name: 'shoal_stage_transactions_total',
    help: 'Transactions proposed, by outcome: committed, refused, failed.',
    labelNames: ['stage', 'outcome'],
    registers,
  });
  const refusals = new Counter({
    name: 'shoal_stage_refusals_total',
    help: 'Transactions that the state machine refused, by kind of refusal.',
    labelNames: ['stage', 'kind'],
    registers,
  });
  const changes = new Counter({
    name: 'shoal_stage_changes_total',
    help: 'Changes committed, by why they were made.',
    labelNames: ['stage', 'cause'],
    registers,
  });
  const causes = new Causes();
  const logIndex = new Gauge({
    name: 'shoal_stage_log_index',
    help: 'Index of the state that was last stepped on.',
    labelNames: ['stage'],
    registers,
  });
  const epoch = new Gauge({
    name: 'shoal_stage_lease_epoch',
    help: 'Epoch of the lease last stepped under.',
    labelNames: ['stage'],
    registers,
  });
  return {
    stepped: (seconds, lag) => {
      steps.inc(labels);
      stepSeconds.observe(labels, seconds);
      lagSeconds.observe(labels, lag);
    },
    transactions: (outcome, count) => transactions.inc({ stage, outcome }, count),
    refused: (kind) => refusals.inc({ stage, kind }),
    changed: (reason, count) => changes.inc({ stage, cause: causes.of(reason) }, count),
    position: (index, leaseEpoch) => {
      logIndex.set(labels, index);
      epoch.set(labels, leaseEpoch);
    },
  };
}
