import type { Instant } from '@shoal/runtime';
import {
  isBefore,
  isTerminal,
  meetsPlacement,
  type StateView,
  type Task,
  type TaskState,
  type TaskStatus,
} from '@shoal/state';

/** What becomes of a task: it runs on, cannot be prepared, fails as it starts, finishes or fails at once. */
export type Fate =
  | 'runs'
  | 'is rejected'
  | 'fails at start'
  | 'finishes'
  | 'fails'
  | 'hangs'
  | 'will not stop';

const next: Partial<Record<TaskState, TaskState>> = {
  assigned: 'accepted',
  accepted: 'preparing',
  preparing: 'ready',
  ready: 'starting',
  starting: 'running',
};

/**
 * The task after one act of its agent; undefined when nothing moves. With `load` (tasks per node) the
 * agents also stand in for allocator and scheduler: new tasks go to the emptiest node.
 */
export function advanceTask(
  view: StateView,
  task: Task,
  fate: (task: Task) => Fate,
  now: Instant,
  load: Map<string, number> | undefined,
): Task | undefined {
  const { state } = task.status;
  if (isTerminal(state)) return undefined;
  if (isBefore(state, 'assigned')) return load && place(view, task, now, load);
  if (view.nodes.get(task.nodeId)?.status.state !== 'ready') return undefined;
  const destiny = fate(task);
  if (isBefore('complete', task.desired))
    return destiny === 'will not stop' ? undefined : moved(task, 'shutdown', now);
  if (destiny === 'hangs' && state === 'preparing') return undefined;
  if (destiny === 'is rejected' && state === 'preparing') return moved(task, 'rejected', now);
  if (destiny === 'fails at start' && state === 'starting') return moved(task, 'failed', now);
  if (destiny === 'finishes' && state === 'running') return moved(task, 'complete', now);
  if (destiny === 'fails' && state === 'running') return moved(task, 'failed', now);
  if (state === 'ready' && task.desired === 'ready') return undefined;
  const to = next[state];
  return to && moved(task, to, now);
}

function moved(task: Task, state: TaskState, at: Instant): Task {
  const startedAt = state === 'running' ? at : task.status.startedAt;
  const status: TaskStatus = { ...task.status, state, at, message: state, startedAt };
  return { ...task, status };
}

function place(
  view: StateView,
  task: Task,
  now: Instant,
  load: Map<string, number>,
): Task | undefined {
  if (isBefore('complete', task.desired)) return undefined;
  if (load.size === 0)
    for (const { id, status, spec } of view.nodes.values())
      if (status.state === 'ready' && spec.Availability === 'active')
        load.set(id, view.usage(id).tasks);
  const revision = view.revisions.of(task.serviceId, task.revision);
  if (revision === undefined) return undefined;
  const fits = ([id]: [string, number]): boolean => meetsPlacement(view.nodes.get(id), revision);
  const [emptiest] = [...load].filter(fits).sort(([, a], [, b]) => a - b);
  if (emptiest === undefined) return undefined;
  const [nodeId, tasks] = emptiest;
  if (task.nodeId === '') load.set(nodeId, tasks + 1);
  const status = { ...task.status, err: '' };
  const placed = { ...task, status, nodeId: task.nodeId === '' ? nodeId : task.nodeId };
  return moved(placed, 'assigned', now);
}
