import type { Task } from './objects.ts';
import type { StateView } from './view.ts';

/** Whether the task runs, as far as can be said: of one on a node that is down nobody knows. */
export function isSeenRunning(view: StateView, { status, nodeId }: Task): boolean {
  return status.state === 'running' && view.nodes.get(nodeId)?.status.state !== 'down';
}
