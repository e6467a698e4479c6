import { type Instant, later } from '@shoal/runtime';
import { isSticky, type Node, type Revision, type StateView, type Task } from '@shoal/state';
import { type DrainTerms, drainTerms } from './terms.ts';

/** Whether a task can stay on its node, must leave it once another one runs, or must leave at once. */
export type Departure =
  | { readonly kind: 'stays' }
  | {
      readonly kind: 'gently';
      readonly node: Node;
      readonly terms: DrainTerms;
      /** When patience ends; undefined without a deadline. */
      readonly until: Instant | undefined;
    }
  | { readonly kind: 'now' };

const stays: Departure = { kind: 'stays' };
const now: Departure = { kind: 'now' };

/**
 * Nodes that are paused, unknown or disconnected keep their tasks. Of a drained node only running tasks
 * of replicated services can be replaced before they stop, and of those only what may run elsewhere.
 */
export function departureOf(view: StateView, task: Task, at: Instant): Departure {
  if (task.nodeId === '') return stays;
  const node = view.nodes.get(task.nodeId);
  if (node === undefined || node.status.state === 'down') return now;
  if (node.spec.Availability !== 'drain') return stays;
  if (task.status.state !== 'running') return now;
  const revision = currentRevision(view, task);
  if (revision === undefined || !mayOverlap(view, revision)) return now;
  const terms = drainTerms(node, revision);
  if (terms.order === 'stop-first') return now;
  const { deadlineMs } = terms;
  const since = node.drain?.since ?? at;
  const until = deadlineMs === undefined ? undefined : later(since, deadlineMs);
  if (until !== undefined && until <= at) return now;
  return { kind: 'gently', node, terms, until };
}

function currentRevision(view: StateView, { serviceId }: Task): Revision | undefined {
  const service = view.services.get(serviceId);
  return service && view.revisions.of(serviceId, service.revision);
}

/** Tasks of global services belong to their node, others to the volume that they left there. */
function mayOverlap(view: StateView, revision: Revision): boolean {
  return revision.spec.Mode.Replicated !== undefined && !isSticky(view, revision);
}
