import type { Clock, Logger, LogIndex, Random } from '@shoal/runtime';
import type { Replica } from '../replica.ts';
import type { Stage } from '../stage.ts';
import type { StageMetrics } from './metrics.ts';

/** The right to act, as transactions name it. */
export interface HeldLease {
  readonly id: string;
  readonly epoch: LogIndex;
}

/** Where a stage's lease comes from: `LeaseHolder` in production. */
export interface LeaseSource {
  /** The lease held now; undefined while there is none. */
  readonly current: HeldLease | undefined;
  /** Calls `listener` whenever `current` has changed. Returns the way to stop. */
  subscribe(listener: () => void): () => void;
  /** The state machine said that `current` is stale: get a new epoch. */
  reclaim(): void;
}

export interface StageOptions {
  readonly stage: Stage;
  readonly replica: Replica;
  readonly lease: LeaseSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: StageMetrics | undefined;
  /** The stage threw: a programmer error. The process must end; nothing is stepped any more. */
  readonly onFatal: (error: unknown) => void;
}

export interface StageHealth {
  /** True once the stage has stepped under a lease and is not backing off. */
  readonly ready: boolean;
  /** What it waits for, in a few words; empty when ready. */
  readonly waitingFor: string;
  readonly index: LogIndex;
  readonly lease: HeldLease | undefined;
}

export interface RunningStage {
  readonly health: StageHealth;
  /** Takes no more steps; resolves when the one under way is done or has been given up. */
  stop(): Promise<void>;
}
