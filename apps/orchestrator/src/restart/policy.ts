import type { RestartPolicy, Task } from '@shoal/state';
import { milliseconds } from '../nanoseconds.ts';
import type { Slot } from '../slots.ts';

/** Wait before a replacement starts, milliseconds, when the policy names none. Swarm's default. */
export const restartDelayDefaultMs = 5_000;

export function restartDelayMs(policy: RestartPolicy | undefined): number {
  return policy?.Delay === undefined ? restartDelayDefaultMs : milliseconds(policy.Delay);
}

/** True when a task of the slot that ended, or lost its node, is to be replaced. */
export function shouldRestart(policy: RestartPolicy | undefined, slot: Slot, task: Task): boolean {
  const condition = policy?.Condition ?? 'any';
  if (condition === 'none') return false;
  if (condition === 'on-failure' && task.status.state === 'complete') return false;
  const attemptsMax = policy?.MaxAttempts ?? 0;
  if (attemptsMax === 0) return true;
  return restartsOf(slot, task, milliseconds(policy?.Window ?? 0)) < attemptsMax;
}

/**
 * Restarts of the task's revision in this slot: all its tasks but the first. With a window, only those
 * made within it, counted back from the end of `task`. The reaper keeps enough history to tell.
 */
function restartsOf(slot: Slot, task: Task, windowMs: number): number {
  const restarts = slot.tasks.filter(({ revision }) => revision === task.revision).slice(1);
  if (windowMs === 0) return restarts.length;
  const since = task.status.at - windowMs;
  return restarts.filter(({ meta }) => meta.createdAt >= since).length;
}
