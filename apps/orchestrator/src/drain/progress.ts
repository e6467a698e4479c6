import type { Instant } from '@shoal/runtime';
import type { Decision } from '@shoal/stage';
import { isBefore, isTerminal, type Node, type StateView } from '@shoal/state';

const keyPrefix = 'node/';

/** Key of decisions about a node itself. */
export function nodeKey(nodeId: string): string {
  return `${keyPrefix}${nodeId}`;
}

/** The node of such a key; undefined for other keys. */
export function nodeOfKey(key: string): string | undefined {
  return key.startsWith(keyPrefix) ? key.slice(keyPrefix.length) : undefined;
}

/** Keeps when a drain began, and says in the node's status how far it is. */
export function* tendNode(view: StateView, nodeId: string, now: Instant): Iterable<Decision> {
  const node = view.nodes.get(nodeId);
  const object = node && wanted(view, node, now);
  if (object === undefined) return;
  const reason = object.drain === undefined ? 'drain is over' : object.status.message;
  const changes = [{ op: 'update', table: 'node', object }] as const;
  yield { kind: 'transaction', key: nodeKey(nodeId), reason, changes };
}

/** What the node is to be written as; undefined when it is so already. */
function wanted(view: StateView, node: Node, now: Instant): Node | undefined {
  const { drain, status } = node;
  if (node.spec.Availability !== 'drain') {
    if (drain === undefined) return undefined;
    const message = isProgress(status.message) ? '' : status.message;
    return { ...node, drain: undefined, status: { ...status, message } };
  }
  const left = tasksToRun(view, node.id);
  if (drain === undefined && left === 0) return undefined;
  const begun = drain ?? { since: now, tasks: left };
  const message = progressText(begun.tasks, left);
  // What the dispatcher says of a node that is not heard of is more urgent.
  const told = status.state !== 'ready' || status.message === message;
  if (drain !== undefined && told) return undefined;
  return { ...node, drain: begun, status: told ? status : { ...status, message } };
}

function tasksToRun(view: StateView, nodeId: string): number {
  let count = 0;
  for (const { desired, status } of view.tasks.byNode(nodeId))
    if (!isBefore('complete', desired) && !isTerminal(status.state)) count += 1;
  return count;
}

function progressText(tasks: number, left: number): string {
  const all = tasks === 1 ? '1 task has' : `${tasks} tasks have`;
  return left === 0
    ? `drained: ${all} left`
    : `draining: ${Math.max(0, tasks - left)} of ${all} left`;
}

function isProgress(message: string): boolean {
  return /^(draining|drained): \d/.test(message);
}
