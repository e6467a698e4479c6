import { isBefore, isTerminal, type Task, taskStateRank } from '@shoal/state';
import type { Place } from './task.ts';

/** All tasks of one slot of a replicated service, or of one node of a global one. */
export interface Slot extends Place {
  /** Oldest first. */
  readonly tasks: readonly Task[];
}

/** A task that is meant to run, now or soon. */
export function isLive({ desired }: Task): boolean {
  return !isBefore('running', desired);
}

export function liveTasks(slot: Slot): Task[] {
  return slot.tasks.filter(isLive);
}

export function newestTask({ tasks }: Slot): Task | undefined {
  return tasks.at(-1);
}

/** True when nothing of the task runs, or ever will: it ended, or was called off before it had a node. */
export function isOver({ status, desired }: Task): boolean {
  return (
    isTerminal(status.state) || (isBefore(status.state, 'assigned') && isBefore('running', desired))
  );
}

/** The one that got furthest, of equals the oldest. */
export function furthest(tasks: readonly Task[]): Task | undefined {
  return [...tasks].sort(
    (a, b) =>
      taskStateRank[b.desired] - taskStateRank[a.desired] ||
      taskStateRank[b.status.state] - taskStateRank[a.status.state] ||
      byAge(a, b),
  )[0];
}

export function byAge(a: Task, b: Task): number {
  return a.meta.createdAt - b.meta.createdAt || (a.id < b.id ? -1 : 1);
}

/**
 * Slots by number, for replicated services. The tasks come in the order of their creation, as tables give
 * them: by time alone, those of one moment could not be told apart.
 */
export function slotsByNumber(tasks: Iterable<Task>): Map<number, Slot> {
  const slots = new Map<number, Slot>();
  for (const [slot, members] of Map.groupBy(tasks, (task) => task.slot))
    slots.set(slot, { slot, nodeId: '', tasks: members });
  return slots;
}

/** Slots by node, for global services; the tasks come as for {@link slotsByNumber}. */
export function slotsByNode(tasks: Iterable<Task>): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  for (const [nodeId, members] of Map.groupBy(tasks, (task) => task.nodeId))
    slots.set(nodeId, { slot: 0, nodeId, tasks: members });
  return slots;
}
