import { type Instant, later } from '@shoal/runtime';
import type { Decision } from '@shoal/stage';
import {
  type Attachment,
  type Change,
  isBefore,
  isTerminal,
  type StateView,
  type Task,
} from '@shoal/state';
import { changesPerMove } from '../drain/lost.ts';
import { nodeKey } from '../drain/progress.ts';

/** How long a node may be down before what it had is given up, milliseconds. Swarm's value. */
export const orphanedAfterMs = 24 * 3_600_000;

const message = 'node of the task was down for 24 hours';

/**
 * Ends what a node had that is down for so long: nobody may ever come to say how it ended, and it would
 * hold addresses and names for good. Nobody writes a node that is down but people, so its last write
 * tells since when it is; who does write it puts the end off.
 */
export function* giveUpLost(view: StateView, nodeId: string, now: Instant): Iterable<Decision> {
  const node = view.nodes.get(nodeId);
  if (node?.status.state !== 'down') return;
  const held = [...view.tasks.byNode(nodeId)].filter(isHeld);
  const containers = [...view.attachments.byNode(nodeId)].filter(isAskedAgain);
  if (held.length + containers.length === 0) return;
  const key = nodeKey(nodeId);
  const at = later(node.meta.updatedAt, orphanedAfterMs);
  if (at > now) {
    yield { kind: 'wake', key, at };
    return;
  }
  const ends = [...held.map((task) => orphaned(task, now)), ...containers.map(detached)];
  for (let from = 0; from < ends.length; from += changesPerMove) {
    const changes = ends.slice(from, from + changesPerMove);
    yield { kind: 'transaction', key, reason: message, changes };
  }
}

function orphaned(task: Task, at: Instant): Change {
  const status = { ...task.status, state: 'orphaned', at, message } as const;
  return { op: 'update', table: 'task', object: { ...task, status } };
}

function detached({ id, meta }: Attachment): Change {
  return { op: 'delete', table: 'attachment', id, version: meta.version };
}

/**
 * Whether a node that comes back can ask anew for a container that still runs: for one address, not for two.
 * The node's own are the allocator's to take back.
 */
function isAskedAgain({ kind, addresses }: Attachment): boolean {
  return kind === 'container' && addresses.length <= 1;
}

function isHeld({ status }: Task): boolean {
  return !isBefore(status.state, 'assigned') && !isTerminal(status.state);
}
