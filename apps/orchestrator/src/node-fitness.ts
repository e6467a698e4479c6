import type { StateView, Task } from '@shoal/state';

/**
 * True when the task cannot stay where it is: its node is down, drained or gone. Nodes that are paused,
 * unknown or disconnected keep their tasks.
 */
export function isOnLostNode(view: StateView, { nodeId }: Task): boolean {
  if (nodeId === '') return false;
  const node = view.nodes.get(nodeId);
  return node === undefined || node.status.state === 'down' || node.spec.Availability === 'drain';
}

/** True when nobody will ever report the task's end: its node is down or gone. */
export function isUnreachable(view: StateView, { nodeId }: Task): boolean {
  if (nodeId === '') return false;
  const node = view.nodes.get(nodeId);
  return node === undefined || node.status.state === 'down';
}

export function isDrained(view: StateView, { nodeId }: Task): boolean {
  return view.nodes.get(nodeId)?.spec.Availability === 'drain';
}
