import { isBefore, isTerminal, type Task } from '@shoal/state';
import { countsAsAttempt } from '../restart/policy.ts';
import { isOver, newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isReplaced } from '../update/progress.ts';

/** Tasks kept per slot, the live one included, when the cluster says nothing. Swarm's default. */
export const historyLimitDefault = 5;

/**
 * Deletes what is beyond the history limit, oldest first. The newest of a slot always stays, and while an
 * update goes on the newest that it replaced: it tells the slot from those that the update added.
 */
export function trimHistory(subject: Subject, slot: Slot): void {
  const limit = historyLimit(subject);
  if (limit < 0) return;
  const newest = newestTask(slot);
  const replaced = isUpdating(subject)
    ? slot.tasks.findLast((task) => isReplaced(subject, task))
    : undefined;
  let surplus = slot.tasks.length - limit;
  const counted = countedRestarts(subject, slot);
  for (const task of slot.tasks) {
    if (surplus <= 0) return;
    if (task === newest || task === replaced || counted.has(task)) continue;
    if (!isBefore('running', task.desired) || !isOver(task)) continue;
    if (subject.plan.isTouched(task) || isRemovable(subject, task)) continue;
    subject.plan.deleteTask('beyond the history limit', task);
    surplus -= 1;
  }
}

/** By them it is told how many attempts to restart are left, however often the slot was moved meanwhile. */
function countedRestarts({ revision }: Subject, { tasks }: Slot): ReadonlySet<Task> {
  const attemptsMax = revision.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
  if (attemptsMax === 0) return new Set();
  const restarts = tasks.filter((task) => countsAsAttempt(task, revision.number));
  return new Set(restarts.slice(-attemptsMax));
}

function isUpdating({ service }: Subject): boolean {
  const state = service.updateStatus?.state;
  return state === 'updating' || state === 'rollback_started';
}

/** A service with a limit of restarts keeps as many tasks as it takes to count them. */
function historyLimit({ view, revision }: Subject): number {
  const attemptsMax = revision.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
  if (attemptsMax > 0) return attemptsMax + 1;
  return view.cluster?.spec.Orchestration.TaskHistoryRetentionLimit ?? historyLimitDefault;
}

/** True when a task that is to go can go now: nothing of it runs, or nobody is left to say so. */
export function isRemovable({ view }: Pick<Subject, 'view'>, task: Task): boolean {
  if (task.desired !== 'remove') return false;
  return (
    isTerminal(task.status.state) ||
    isBefore(task.status.state, 'assigned') ||
    view.nodes.get(task.nodeId) === undefined
  );
}
