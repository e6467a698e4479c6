import { isTerminal, type JobRun, type Task } from '@shoal/state';
import { historyLimitDefault } from '../reaper/tasks.ts';
import { newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { hasFailed, isWanted } from './task.ts';

/**
 * Deletes the oldest tasks of a slot beyond the cluster's history limit, whichever run they are of: so
 * what is left tells of the last runs and their exit codes.
 */
export function trimJobHistory(subject: Subject, run: JobRun, slot: Slot): void {
  const { view, plan } = subject;
  const limit = view.cluster?.spec.Orchestration.TaskHistoryRetentionLimit ?? historyLimitDefault;
  if (limit < 0) return;
  let surplus = slot.tasks.length - limit;
  for (const task of slot.tasks) {
    if (surplus <= 0) return;
    if (task === newestTask(slot) || isNeeded(run, task) || plan.isTouched(task)) continue;
    if (task.desired === 'remove') continue;
    plan.deleteTask('beyond the history limit', task);
    surplus -= 1;
  }
}

/** It runs, or the current run is judged by it. */
function isNeeded({ iteration, revision }: JobRun, task: Task): boolean {
  const { state } = task.status;
  if (!isTerminal(state)) return true;
  if (task.jobIteration !== iteration) return false;
  if (state === 'complete') return true;
  const counted = (revision.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0) > 0;
  return isWanted(task) || (counted && hasFailed(task));
}
