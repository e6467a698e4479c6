import { isTerminal, type Task } from '@shoal/state';
import type { SlotProgress } from './progress.ts';

/** True when the task never ran, or ended by itself within `monitorMs` of its start. */
export function failedEarly(task: Task, monitorMs: number): boolean {
  const { state, at, startedAt } = task.status;
  if (!isTerminal(state)) return false;
  if (state === 'shutdown' || state === 'remove' || state === 'orphaned') return false;
  return startedAt === undefined || at - startedAt <= monitorMs;
}

/**
 * The task that makes the update a failure; undefined while the share of failed slots is within the
 * ratio. Only the first task of the update counts in each slot, not what restarts made of it; where that
 * is forgotten, its successor tells.
 */
export function failureOf(
  progress: readonly SlotProgress[],
  monitorMs: number,
  maxRatio: number,
): Task | undefined {
  const concerned = progress.filter(({ waits, first }) => waits || first !== undefined).length;
  const failed = progress
    .flatMap(({ first }) => first ?? [])
    .filter((task) => task.restart?.first?.failed ?? failedEarly(task, monitorMs))
    .sort((a, b) => b.status.at - a.status.at || (a.id < b.id ? -1 : 1));
  if (failed.length === 0) return undefined;
  // Swarm stores the ratio in 32 bits.
  const tooMany = Math.fround(failed.length / concerned) > Math.fround(maxRatio);
  return tooMany ? failed[0] : undefined;
}
