import type { Stage, StageName } from '@shoal/stage';
import type { DispatcherFactory } from '../stage-process.ts';

/** What a control plane is made of; handed in, because libraries do not know the apps. */
export interface ControlPlaneParts {
  /** Makes a fresh stage for each process that starts. */
  readonly stages: Readonly<Record<Exclude<StageName, 'dispatcher'>, () => Stage>>;
  readonly dispatcher: DispatcherFactory;
}

export const stageNames = ['orchestrator', 'allocator', 'scheduler'] as const;
