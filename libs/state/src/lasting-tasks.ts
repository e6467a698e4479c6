import type { Service, Task } from './objects.ts';
import { isBefore } from './task-state.ts';
import { meetsPlacement } from './up-to-date.ts';
import type { StateView } from './view.ts';

/**
 * Tasks of the service that stay as they are while a canary runs: those that live, and what a global service had last
 * on nodes that are drained or down, where its like comes back.
 */
export function* lastingTasks(view: StateView, { id }: Service): Iterable<Task> {
  const last = new Map<string, Task>();
  for (const task of view.tasks.byService(id)) {
    if (isLiving(task)) yield task;
    if (task.slot === 0) last.set(task.nodeId, task);
  }
  for (const task of last.values()) if (!isLiving(task) && comesBack(view, task)) yield task;
}

function isLiving({ desired }: Task): boolean {
  return !isBefore('running', desired);
}

function comesBack(view: StateView, { serviceId, nodeId, revision, desired }: Task): boolean {
  const made = view.revisions.of(serviceId, revision);
  return desired !== 'remove' && made !== undefined && meetsPlacement(view.nodes.get(nodeId), made);
}
