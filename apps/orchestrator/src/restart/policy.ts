import {
  backoffCapMs,
  enforcedErr,
  isTerminal,
  type RestartPolicy,
  type Revision,
  type Task,
} from '@shoal/state';
import { milliseconds } from '../nanoseconds.ts';
import type { Slot } from '../slots.ts';

/** Wait before a replacement starts, milliseconds, when the policy names none. Swarm's default. */
const restartDelayDefaultMs = 5_000;

/** A task that ran for so long before it failed is no longer part of a crash loop, milliseconds. */
const recoveredAfterMs = 60_000;

/** Doublings after which any delay has passed any cap. */
const doublingsMax = 40;

function restartDelayMs(policy: RestartPolicy | undefined): number {
  return policy?.Delay === undefined ? restartDelayDefaultMs : milliseconds(policy.Delay);
}

/**
 * Wait before the restart after so many failures in a row: the policy's delay, doubled from the second
 * failure on, up to the cap of the service's label.
 */
export function backoffDelayMs({ spec }: Revision, failures: number): number {
  const delayMs = restartDelayMs(spec.TaskTemplate.RestartPolicy);
  const capMs = backoffCapMs(spec.Labels);
  if (capMs === undefined || failures < 2) return delayMs;
  const grown = delayMs * 2 ** Math.min(failures - 1, doublingsMax);
  return Math.max(delayMs, Math.min(capMs, grown));
}

/** Failures in a row with the end of `task`. One that ended well, or had recovered, begins anew. */
export function failuresInARow({ status, restart }: Task): number {
  const before = restart?.failures ?? 0;
  const { state, at, startedAt } = status;
  if (state === 'complete') return 0;
  const recovered = startedAt !== undefined && at - startedAt >= recoveredAfterMs;
  return recovered ? 1 : before + 1;
}

/** True when the task did not end by itself: it lost its node, no longer fitted there, or gave way. */
export function isMove({ status, displaced }: Task): boolean {
  const { state, err } = status;
  if (state === 'complete') return false;
  if (!isTerminal(state) || state === 'shutdown' || state === 'orphaned') return true;
  return err === enforcedErr || displaced !== undefined;
}

/**
 * True when a task of the slot that ended, or lost its place, is to be replaced. A move uses up no
 * attempt. What gave way to another task comes back under any policy.
 */
export function shouldRestart(policy: RestartPolicy | undefined, slot: Slot, task: Task): boolean {
  const condition = policy?.Condition ?? 'any';
  if (isMove(task) && task.displaced !== undefined) return true;
  if (condition === 'none') return false;
  if (condition === 'on-failure' && task.status.state === 'complete') return false;
  const attemptsMax = policy?.MaxAttempts ?? 0;
  if (attemptsMax === 0 || isMove(task)) return true;
  return attemptsOf(slot, task, milliseconds(policy?.Window ?? 0)) < attemptsMax;
}

/**
 * Restarts of the task's revision in this slot. With a window, only those in a row, back from the task,
 * that had not run for so long when they ended: one that did has succeeded. The reaper keeps enough
 * history to tell.
 */
function attemptsOf(slot: Slot, task: Task, windowMs: number): number {
  const restarts = slot.tasks.filter((one) => countsAsAttempt(one, task.revision));
  if (windowMs === 0) return restarts.length;
  const succeeded = restarts.findLastIndex((restart) => ranMs(restart) >= windowMs);
  return restarts.length - 1 - succeeded;
}

/** Whether the task is a restart of one of the revision, and no move. */
export function countsAsAttempt({ revision, restart }: Task, of: number): boolean {
  return revision === of && restart !== undefined && restart.moved === undefined;
}

function ranMs({ status: { startedAt, at } }: Task): number {
  return startedAt === undefined ? 0 : at - startedAt;
}
