import type { Revision, Service, StateView, Task } from '@shoal/state';
import type { Plan } from '../plan.ts';

/** Revisions kept of a service to roll back to, the newest; those in use are never dropped. */
export const revisionsMax = 20;

/** Deletes old revisions that neither the service nor any of its tasks points to. */
export function trimRevisions(
  view: StateView,
  serviceId: string,
  service: Service | undefined,
  tasks: Iterable<Task>,
  plan: Plan,
): void {
  const revisions = [...view.revisions.byService(serviceId)];
  if (service !== undefined && revisions.length <= revisionsMax) return;
  const needed = new Set<number>();
  for (const { revision } of tasks) needed.add(revision);
  if (service !== undefined) {
    needed.add(service.revision);
    if (service.previousRevision !== undefined) needed.add(service.previousRevision);
    for (const { number } of newest(revisions)) needed.add(number);
  }
  for (const revision of revisions)
    if (!needed.has(revision.number)) plan.deleteRevision('revision no longer used', revision);
}

function newest(revisions: readonly Revision[]): readonly Revision[] {
  return [...revisions].sort((a, b) => b.number - a.number).slice(0, revisionsMax);
}
