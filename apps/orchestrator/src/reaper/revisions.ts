import type { Service, StateView, Task } from '@shoal/state';
import type { Plan } from '../plan.ts';

/** Revisions kept of a service to roll back to, the newest that runs did not make; those in use are never dropped. */
export const revisionsMax = 20;

/** Deletes old revisions that neither the service nor any of its tasks points to. */
export function trimRevisions(
  view: StateView,
  serviceId: string,
  service: Service | undefined,
  tasks: Iterable<Task>,
  plan: Plan,
): void {
  const revisions = [...view.revisions.byService(serviceId)].sort((a, b) => b.number - a.number);
  const said = revisions.filter(({ byRun }) => byRun !== true);
  if (service !== undefined && said.length === revisions.length && said.length <= revisionsMax)
    return;
  const needed = new Set<number>();
  for (const { revision } of tasks) needed.add(revision);
  if (service !== undefined) {
    needed.add(service.revision);
    if (service.previousRevision !== undefined) needed.add(service.previousRevision);
    for (const { number } of said.slice(0, revisionsMax)) needed.add(number);
    // The next number is counted from the last one: while that is there none is given twice.
    for (const { number } of revisions.slice(0, 1)) needed.add(number);
  }
  for (const revision of revisions)
    if (!needed.has(revision.number)) plan.deleteRevision('revision no longer used', revision);
}
