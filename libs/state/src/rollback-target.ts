import { canaryLabel, canarySize } from './labels/canary.ts';
import { lastingTasks } from './lasting-tasks.ts';
import type { Service } from './objects.ts';
import { isBefore } from './task-state.ts';
import { taskAge } from './up-to-date.ts';
import type { StateView } from './view.ts';

/**
 * The revision that a rollback leads to once the service is updated: the one that it stands at, as by Swarm; while only
 * a canary of that runs, the one that the other tasks wait at. To say that these may follow, or that something else may
 * take the canary's place, is no step that a rollback should stop at.
 */
export function rollbackTarget(view: StateView, service: Service): number {
  const { id, revision, previousRevision, updateStatus } = service;
  const current = view.revisions.of(id, revision);
  if (previousRevision === undefined || current?.spec.Labels[canaryLabel] === undefined)
    return revision;
  if (updateStatus?.state.startsWith('rollback')) return revision;
  const places = new Set<string | number>();
  let comesBackOld = false;
  for (const task of lastingTasks(view, service)) {
    places.add(task.slot === 0 ? task.nodeId : task.slot);
    if (taskAge(view.revisions.of(id, task.revision), current) !== 'old') continue;
    if (!isBefore('running', task.desired)) return previousRevision;
    comesBackOld = true;
  }
  const size = canarySize(current.spec.Labels, places.size) ?? places.size;
  return comesBackOld && size < places.size ? previousRevision : revision;
}
