import type { ListedContainer } from '../executor/engine.ts';
import type { StatusStore } from './status-store.ts';

/** Containers that an agent of this node made: they have a task's name, or had it when the task was prepared. */
export function ownContainers(
  listed: readonly ListedContainer[],
  statuses: Pick<StatusStore, 'get'>,
): readonly ListedContainer[] {
  return listed.filter(
    ({ id, taskId, hasTaskName }) => hasTaskName || statuses.get(taskId)?.container?.id === id,
  );
}
