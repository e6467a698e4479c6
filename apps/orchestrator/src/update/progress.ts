import type { Instant } from '@shoal/runtime';
import { isBefore, type Task } from '@shoal/state';
import { liveTasks, newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isRollback } from './config.ts';

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
  const since = startOf(subject);
  const made = slot.tasks.filter((task) => task.meta.createdAt >= since && !subject.isDirty(task));
  const settled = made.filter(({ status }) => !isBefore(status.state, 'running'));
  const settledAt =
    settled.length > 0
      ? (Math.min(...settled.map(({ meta }) => meta.updatedAt)) as Instant)
      : undefined;
  const live = liveTasks(slot);
  const current = live.length > 0 ? live : [newestTask(slot)].filter((task) => task !== undefined);
  const waits =
    made.length === 0 && current.length > 0 && current.every((task) => subject.isDirty(task));
  return { slot, waits, first: made[0], settledAt };
}

/** Updates begin with their revision, on the log's own clock; rollbacks go to a revision that is older. */
function startOf({ service, revision }: Subject): Instant {
  const { updateStatus } = service;
  return updateStatus !== undefined && isRollback(updateStatus)
    ? updateStatus.startedAt
    : revision.meta.createdAt;
}
