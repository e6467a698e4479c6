import { assertNever, type Monotonic } from '@shoal/runtime';

/** Wait before the first restart; each failure in a row doubles it. */
export const restartDelayMsMin = 50;
export const restartDelayMsMax = 10_000;
/** A process that lived this long has recovered: its failures are forgotten. */
export const recoveredMs = 30_000;

/** Where one process of the host stands. */
export type Phase =
  | { readonly kind: 'idle' }
  /** Asked to be started, not known yet whether it was. */
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly pid: number; readonly since: Monotonic }
  /** Died; starts again when the wait is over. */
  | { readonly kind: 'waiting' }
  /** Told to end. */
  | { readonly kind: 'stopping'; readonly pid: number }
  | { readonly kind: 'stopped' };

export interface Lifecycle {
  readonly phase: Phase;
  /** Deaths in a row without recovery between them. */
  readonly failures: number;
  /** Starts after the first. */
  readonly restarts: number;
}

export type LifecycleEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'spawned'; readonly pid: number }
  /** It ended, or could not be started at all. */
  | { readonly kind: 'exited' }
  | { readonly kind: 'wait-over' }
  | { readonly kind: 'stop' };

/** What the supervisor must do now. */
export type LifecycleEffect =
  | { readonly kind: 'none' }
  | { readonly kind: 'spawn' }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'terminate'; readonly pid: number };

export interface LifecycleStep {
  readonly next: Lifecycle;
  readonly effect: LifecycleEffect;
}

export const newLifecycle: Lifecycle = { phase: { kind: 'idle' }, failures: 0, restarts: 0 };

const none: LifecycleEffect = { kind: 'none' };

/** One transition. Events that do not fit the phase (a late timer, a second stop) change nothing. */
export function step(life: Lifecycle, event: LifecycleEvent, now: Monotonic): LifecycleStep {
  const { phase } = life;
  switch (event.kind) {
    case 'start':
      return phase.kind === 'idle' ? spawn(life) : stay(life);
    case 'spawned':
      return onSpawned(life, event.pid, now);
    case 'exited':
      return onExited(life, now);
    case 'wait-over':
      return phase.kind === 'waiting'
        ? spawn({ ...life, restarts: life.restarts + 1 })
        : stay(life);
    case 'stop':
      return onStop(life);
    default:
      return assertNever(event);
  }
}

function onSpawned(life: Lifecycle, pid: number, now: Monotonic): LifecycleStep {
  if (life.phase.kind === 'starting') {
    return { next: { ...life, phase: { kind: 'running', pid, since: now } }, effect: none };
  }
  // Stopped while it was being started: it must not live on.
  const next = { ...life, phase: { kind: 'stopping', pid } as const };
  return life.phase.kind === 'stopped' ? { next, effect: { kind: 'terminate', pid } } : stay(life);
}

function onExited(life: Lifecycle, now: Monotonic): LifecycleStep {
  const { phase } = life;
  if (phase.kind === 'stopping') return stay({ ...life, phase: { kind: 'stopped' } });
  if (phase.kind !== 'running' && phase.kind !== 'starting') return stay(life);
  const recovered = phase.kind === 'running' && now - phase.since >= recoveredMs;
  const failures = recovered ? 1 : life.failures + 1;
  const delayMs = Math.min(restartDelayMsMin * 2 ** (failures - 1), restartDelayMsMax);
  return {
    next: { ...life, failures, phase: { kind: 'waiting' } },
    effect: { kind: 'wait', delayMs },
  };
}

function onStop(life: Lifecycle): LifecycleStep {
  const { phase } = life;
  if (phase.kind === 'stopping') return stay(life);
  if (phase.kind !== 'running') return stay({ ...life, phase: { kind: 'stopped' } });
  const next = { ...life, phase: { kind: 'stopping', pid: phase.pid } as const };
  return { next, effect: { kind: 'terminate', pid: phase.pid } };
}

function spawn(life: Lifecycle): LifecycleStep {
  return { next: { ...life, phase: { kind: 'starting' } }, effect: { kind: 'spawn' } };
}

function stay(next: Lifecycle): LifecycleStep {
  return { next, effect: none };
}
