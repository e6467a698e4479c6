import { isBefore, type Task } from '@shoal/state';

/** How a task concerns the scheduler. */
export type Standing = 'waits' | 'waits-on-its-node' | 'called-off' | 'settled';

export function standing({ status, desired, nodeId }: Task): Standing {
  if (status.state !== 'pending') return 'settled';
  if (desired === 'shutdown') return 'called-off';
  if (isBefore('complete', desired)) return 'settled';
  return nodeId === '' ? 'waits' : 'waits-on-its-node';
}

/** True when the task waits for the scheduler to find it a node. */
export function waitsForNode(task: Task): boolean {
  return standing(task) === 'waits';
}
