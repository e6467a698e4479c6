import { canaryLabel } from './labels/canary.ts';
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
  for (const task of view.tasks.byService(id)) {
    if (isBefore('running', task.desired)) continue;
    if (taskAge(view.revisions.of(id, task.revision), current) === 'old') return previousRevision;
  }
  return revision;
}
