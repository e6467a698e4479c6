import { type Instant, later } from '@shoal/runtime';
import type { Cluster, Node } from './objects.ts';
import { isTerminal } from './task-state.ts';
import type { Change } from './transaction.ts';
import type { StateView } from './view.ts';

/** Removed nodes are remembered so long after their last certificate has ended, as by Swarm; milliseconds. */
const graceMs = 7 * 86_400_000;
/** Of more, those whose certificates end first are forgotten first: the node is gone from the state anyway. */
const removedNodesMax = 10_000;
/** Swarm's default life of a node's certificate, milliseconds: it may be older than the present setting. */
const certificateMsDefault = 90 * 86_400_000;
const nanosPerMilli = 1_000_000;

/**
 * What makes a node be gone: its tasks free what they held, nothing proves it any more, and it is deleted.
 * One transaction.
 */
export function nodeRemoval(view: StateView, node: Node, now: Instant): readonly Change[] {
  const changes: Change[] = [];
  for (const task of view.tasks.byNode(node.id)) {
    if (isTerminal(task.status.state)) continue;
    const message = 'Task belonged to a node that has been deleted';
    const status = { ...task.status, state: 'orphaned', at: now, message } as const;
    changes.push({ op: 'update', table: 'task', object: { ...task, status } });
  }
  const { cluster } = view;
  if (cluster !== undefined)
    changes.push({ op: 'update', table: 'cluster', object: withRemoved(cluster, node.id, now) });
  const { id, meta } = node;
  return [...changes, { op: 'delete', table: 'node', id, version: meta.version }];
}

/** The node's newest certificate ends at the latest when one issued now would. */
function withRemoved(cluster: Cluster, nodeId: string, now: Instant): Cluster {
  const lifeMs = Math.max(
    cluster.spec.CAConfig.NodeCertExpiry / nanosPerMilli,
    certificateMsDefault,
  );
  const kept = Object.entries(cluster.removedNodes ?? {})
    .filter(([, end]) => end + graceMs > now)
    .sort(([, a], [, b]) => b - a)
    .slice(0, removedNodesMax - 1);
  const end = later(now, lifeMs);
  return { ...cluster, removedNodes: { ...Object.fromEntries(kept), [nodeId]: end } };
}
