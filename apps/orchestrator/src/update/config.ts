import type { UpdateConfig, UpdateStatus } from '@shoal/state';
import { milliseconds } from '../nanoseconds.ts';
import type { Subject } from '../subject.ts';

/** How long a new task must run to count as good, milliseconds, when nothing is said. Swarm's default. */
const monitorDefaultMs = 5_000;

/** An update or rollback configuration with every default filled in. */
export interface Pace {
  /** 0 means all at once. */
  readonly parallelism: number;
  readonly delayMs: number;
  readonly monitorMs: number;
  readonly maxFailureRatio: number;
  readonly failureAction: 'pause' | 'continue' | 'rollback';
  readonly order: 'stop-first' | 'start-first';
}

export function isRollback(status: UpdateStatus | undefined): boolean {
  return status?.state.startsWith('rollback') ?? false;
}

/** Rollbacks go by `RollbackConfig`, everything else by `UpdateConfig`. */
export function paceOf({ service, revision }: Subject): Pace {
  const { UpdateConfig, RollbackConfig } = revision.spec;
  const config: UpdateConfig | undefined = isRollback(service.updateStatus)
    ? RollbackConfig
    : UpdateConfig;
  return {
    parallelism: config?.Parallelism ?? 1,
    delayMs: milliseconds(config?.Delay ?? 0),
    monitorMs: config?.Monitor === undefined ? monitorDefaultMs : milliseconds(config.Monitor),
    maxFailureRatio: config?.MaxFailureRatio ?? 0,
    failureAction: config?.FailureAction ?? 'pause',
    order: config?.Order ?? 'stop-first',
  };
}

/** How long to go on watching after the last task was replaced, milliseconds. Swarm's rule. */
export function lastWatchMs({ delayMs, monitorMs }: Pace): number {
  return delayMs >= monitorMs ? delayMs + 1_000 : monitorMs;
}
