import { type Instant, later } from '@shoal/runtime';
import type { Decision } from '@shoal/stage';
import {
  type AppliedChange,
  formatDuration,
  nodeRemoval,
  removeAfterMs,
  type StateView,
} from '@shoal/state';

const keyPrefix = 'absent/';

/** Key of the decision about a node that stays away; one of its own, as a key has one time to wake at. */
function absentKey(nodeId: string): string {
  return `${keyPrefix}${nodeId}`;
}

/** The node of such a key; undefined for other keys. */
export function absentNodeOfKey(key: string): string | undefined {
  return key.startsWith(keyPrefix) ? key.slice(keyPrefix.length) : undefined;
}

/**
 * After a stage has begun, nobody is removed for so long, milliseconds: where everything was off, hosts that were down
 * before come up with the managers.
 */
export const settlingMs = 10 * 60_000;

/**
 * Removes a worker that is down for as long as the cluster's settings allow. Nobody writes a node that is down but
 * people, so its last write tells since when it is; who does write it puts the end off. Managers stay: each is a
 * vote that people decide about.
 */
export function* removeAbsent(
  view: StateView,
  nodeId: string,
  now: Instant,
  begun: Instant,
): Iterable<Decision> {
  const node = view.nodes.get(nodeId);
  const afterMs = removeAfterMs(view.cluster?.spec.Labels ?? {});
  if (node?.status.state !== 'down' || afterMs === undefined) return;
  if (node.role !== 'worker' || node.spec.Role !== 'worker') return;
  const key = absentKey(nodeId);
  const settled = later(begun, Math.min(afterMs, settlingMs));
  const due = later(node.meta.updatedAt, afterMs);
  const at = Math.max(due, settled) as Instant;
  if (at > now) {
    yield { kind: 'wake', key, at };
    return;
  }
  const reason = `node was down for ${formatDuration(afterMs)}`;
  yield { kind: 'transaction', key, reason, changes: nodeRemoval(view, node, now) };
}

/** Nodes that are down, when a change of the cluster's settings says anew how long they may be. */
export function* absentNodes(view: StateView, change: AppliedChange): Iterable<string> {
  if (change.table !== 'cluster') return;
  const before = removeAfterMs(change.before?.spec.Labels ?? {});
  if (before === removeAfterMs(change.after?.spec.Labels ?? {})) return;
  for (const { id, status } of view.nodes.values()) if (status.state === 'down') yield id;
}
