import type { Instant } from '@shoal/runtime';
import { isBefore, type Task } from '@shoal/state';
import { isLive, liveTasks, newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';

/** How far the replacement of one slot is. */
export interface SlotProgress {
  readonly slot: Slot;
  /** Must be replaced, and this update has not tried yet. */
  readonly waits: boolean;
  /** The first task that this update made here. */
  readonly first: Task | undefined;
  /** When a task of this update ran or ended here; undefined before that. */
  readonly settledAt: Instant | undefined;
}

/**
 * Reads the progress of an update off the tasks, so that it goes on where it was whoever continues it.
 * Everything made of the current revision since the update began counts as made by it.
 */
export function progressOf(subject: Subject, slot: Slot): SlotProgress {
  const made = slot.tasks.filter((task) => isMadeByUpdate(subject, task));
  const live = liveTasks(slot);
  const current = live.length > 0 ? live : [newestTask(slot)].filter((task) => task !== undefined);
  const waits =
    !made.some(isTried) && current.length > 0 && current.every((task) => subject.isDirty(task));
  return { slot, waits, first: made[0], settledAt: settledTime(made) };
}

/** Lives, or ended by itself. One that was called off before says nothing of the update. */
function isTried(task: Task): boolean {
  const { state } = task.status;
  return isLive(task) || state === 'failed' || state === 'rejected' || state === 'complete';
}

/** Of the current revision, and made since the update or rollback to it began. */
export function isMadeByUpdate(subject: Subject, task: Task): boolean {
  const { revision, changedAt } = subject;
  return task.revision === revision.number && task.meta.createdAt >= changedAt;
}

/** Whether nothing in the slot was replaced: see {@link isReplaced}, which stays while the update goes on. */
export function isAdded(subject: Subject, { tasks }: Slot): boolean {
  return !tasks.some((task) => isReplaced(subject, task));
}

/** Of another revision than the current one, and not left over from before the slot was given up. */
export function isReplaced({ revision }: Subject, task: Task): boolean {
  return task.revision !== revision.number && task.desired !== 'remove';
}

/** Whether the update stopped something in the slot that had run, or is to when the new task runs. */
export function tookPlace(subject: Subject, { tasks }: Slot): boolean {
  return tasks.some((task, at) => {
    if (!isReplaced(subject, task)) return false;
    // It left before, with its lost node: what is written of it later is not the update's doing.
    if (tasks.slice(at + 1).some((next) => isReplaced(subject, next) && next.restart?.moved))
      return false;
    if (isLive(task)) return hadNode(task);
    return task.status.startedAt !== undefined && task.meta.updatedAt >= subject.changedAt;
  });
}

/** Whether a task that the update made runs in the slot. */
export function runsAnew(subject: Subject, slot: Slot): boolean {
  return liveTasks(slot).some(
    (task) => task.status.state === 'running' && isMadeByUpdate(subject, task),
  );
}

export function hadNode({ status }: Task): boolean {
  return !isBefore(status.state, 'assigned');
}

/** Waits for a node or what else it takes to be placed, was looked at, and says why. */
export function findsNoNode(task: Task): boolean {
  return !hadNode(task) && task.status.err !== '';
}

function settledTime(made: readonly Task[]): Instant | undefined {
  const times = made.flatMap((task) => settledBy(task) ?? []);
  if (times.length > 0) return Math.min(...times) as Instant;
  // All of them were called off: an older one is good after all.
  if (made.length === 0 || made.some(isLive)) return undefined;
  return Math.max(...made.map(({ meta }) => meta.updatedAt)) as Instant;
}

/** When the task had run or ended, or a forgotten one before it. */
function settledBy({ meta, status, restart }: Task): Instant | undefined {
  if (restart?.first !== undefined) return restart.first.settledAt;
  return isBefore(status.state, 'running') ? undefined : meta.updatedAt;
}
