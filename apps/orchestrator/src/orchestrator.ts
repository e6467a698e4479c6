import type { Stage } from '@shoal/stage';
import { orphanedServices, reconcile } from './reconcile.ts';
import { concerned } from './relevance.ts';

/** Turns services into tasks and keeps them so. All decisions are keyed by service id. */
export function createOrchestrator(): Stage {
  return {
    name: 'orchestrator',
    *step(view, changed, now, mine) {
      const services = concerned(view, changed.changes);
      for (const id of changed.due) services.add(id);
      if (changed.everything) {
        for (const { id } of view.services.values()) services.add(id);
        for (const id of orphanedServices(view)) services.add(id);
      }
      for (const id of services) if (mine(id)) yield* reconcile(view, id, now);
    },
  };
}
