import { hasJobTaskFailed, isTerminal, type JobRun, type Task } from '@shoal/state';
import { historyLimitDefault } from '../reaper/tasks.ts';
import { newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isWanted, triesOf } from './task.ts';

/**
 * Deletes the oldest tasks of a slot beyond the cluster's history limit, whichever run they are of: so
 * what is left tells of the last runs and their exit codes.
 */
export function trimJobHistory(subject: Subject, run: JobRun, slot: Slot): void {
  const { view, plan } = subject;
  const limit = view.cluster?.spec.Orchestration.TaskHistoryRetentionLimit ?? historyLimitDefault;
  if (limit < 0) return;
  let surplus = slot.tasks.length - limit;
  if (surplus <= 0) return;
  const counted = countedFailures(run, slot);
  for (const task of slot.tasks) {
    if (surplus <= 0) return;
    if (task === newestTask(slot) || isNeeded(run, task) || counted.has(task)) continue;
    if (plan.isTouched(task) || task.desired === 'remove') continue;
    plan.deleteTask('beyond the history limit', task);
    surplus -= 1;
  }
}

/** It runs, or tells how far the current run is. */
function isNeeded({ iteration }: JobRun, task: Task): boolean {
  const { state } = task.status;
  if (!isTerminal(state)) return true;
  if (task.jobIteration !== iteration) return false;
  return state === 'complete' || isWanted(task);
}

/** What it takes to tell whether the limit of attempts is reached. */
function countedFailures(run: JobRun, slot: Slot): ReadonlySet<Task> {
  const attemptsMax = run.revision.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
  if (attemptsMax === 0) return new Set();
  const failures = triesOf(run, slot).filter(hasJobTaskFailed);
  return new Set(failures.slice(-(attemptsMax + 1)));
}
