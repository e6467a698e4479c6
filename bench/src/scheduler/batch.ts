import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import type { StateView, Transaction } from '@shoal/state';

/** What one scheduler decided in one step: for each placement the task, its node and the version read. */
interface Batch {
  readonly message: string;
  readonly at: Instant;
  readonly taskIds: readonly string[];
  readonly nodeIds: readonly string[];
  readonly versions: readonly LogIndex[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const actor = { kind: 'stage', name: 'scheduler' } as const;

/** The placements as bytes, without what every replica knows of the tasks. */
export function encodeBatch(transactions: readonly Transaction[]): Uint8Array {
  const tasks = transactions.map(({ changes: [change] }) => {
    invariant(change?.op === 'update' && change.table === 'task', 'not a placement');
    return change.object;
  });
  const batch: Batch = {
    message: tasks[0]?.status.message ?? '',
    at: tasks[0]?.status.at ?? (0 as Instant),
    taskIds: tasks.map(({ id }) => id),
    nodeIds: tasks.map(({ nodeId }) => nodeId),
    versions: tasks.map(({ meta }) => meta.version),
  };
  return encoder.encode(JSON.stringify(batch));
}

/** The transactions that {@link encodeBatch} was given, made again. */
export function decodeBatch(bytes: Uint8Array, view: StateView): readonly Transaction[] {
  const { message, at, taskIds, nodeIds, versions }: Batch = JSON.parse(decoder.decode(bytes));
  return taskIds.map((taskId, position): Transaction => {
    const task = view.tasks.get(taskId);
    invariant(task !== undefined, 'a task is gone', { taskId });
    const version = versions[position] ?? task.meta.version;
    const object = {
      ...task,
      meta: version === task.meta.version ? task.meta : { ...task.meta, version },
      nodeId: nodeIds[position] ?? '',
      status: { ...task.status, state: 'assigned' as const, at, message, err: '' },
    };
    return {
      id: taskId,
      actor,
      reason: message,
      decidedAt: view.index,
      changes: [{ op: 'update', table: 'task', object }],
    };
  });
}
