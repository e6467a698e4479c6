import type { Instant } from '@shoal/runtime';
import { isBefore, isTerminal, type StateView, type Task, type TaskState } from '@shoal/state';

/**
 * What an agent without troubles makes of the task at once: everything that is asked for succeeds, and
 * what runs goes on running. Undefined when nothing is left to do. A node that is not there does nothing.
 */
export function advanced(view: StateView, task: Task, now: Instant): Task | undefined {
  const { state } = task.status;
  if (isTerminal(state) || isBefore(state, 'assigned')) return undefined;
  if (view.nodes.get(task.nodeId)?.status.state !== 'ready') return undefined;
  const goal = goalOf(task);
  if (!isBefore(state, goal)) return undefined;
  const startedAt = goal === 'running' ? now : task.status.startedAt;
  return {
    ...task,
    status: { ...task.status, state: goal, at: now, message: goal, err: '', startedAt },
  };
}

function goalOf({ desired }: Task): TaskState {
  if (isBefore('complete', desired)) return 'shutdown';
  return desired === 'ready' ? 'ready' : 'running';
}
