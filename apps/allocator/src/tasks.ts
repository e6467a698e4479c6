import type { Instant } from '@shoal/runtime';
import {
  attachedNetworks,
  type Change,
  type StateView,
  type Task,
  type TaskAttachment,
} from '@shoal/state';
import type { Addresses } from './addresses.ts';
import {
  type Blocked,
  blocked,
  networkObstacle,
  noAddress,
  type Obstacle,
  sentence,
} from './obstacle.ts';
import { isCalledOff } from './work.ts';

/** What becomes of a new task. */
export interface Advance {
  /** Undefined when there is nothing to write. */
  readonly change: Change | undefined;
  /** What it waits for. */
  readonly waitsFor: readonly string[];
}

/**
 * Ends a new task that was called off, lets it go on to the scheduler with its addresses, or notes why it
 * waits. `service` is what its service waits for.
 */
export function advance(
  view: StateView,
  task: Task,
  service: Blocked | undefined,
  addresses: Addresses,
  now: Instant,
): Advance {
  if (isCalledOff(task)) {
    const status = { ...task.status, state: 'shutdown' as const, at: now, err: '' };
    return written({ ...task, status });
  }
  const given = service ?? allocateTask(view, task, addresses);
  if (given === undefined) return { change: undefined, waitsFor: [] };
  if (given.kind === 'blocked') return waiting(task, given, now);
  const status = {
    ...task.status,
    state: 'pending' as const,
    message: 'pending task scheduling',
    at: now,
    err: '',
  };
  const { networks } = given;
  return written({ ...task, status, ...(networks.length > 0 && { networks }) });
}

function written(object: Task, waitsFor: readonly string[] = []): Advance {
  return { change: { op: 'update', table: 'task', object }, waitsFor };
}

function waiting(task: Task, block: Blocked, now: Instant): Advance {
  const waitsFor = block.obstacles.map((one) => one.waitsFor);
  const err = sentence(block, task.status.err);
  if (err === undefined || err === task.status.err) return { change: undefined, waitsFor };
  return written({ ...task, status: { ...task.status, at: now, err } }, waitsFor);
}

type Given = { readonly kind: 'given'; readonly networks: readonly TaskAttachment[] } | Blocked;

/** All its addresses or none; undefined when its revision is gone. */
function allocateTask(view: StateView, task: Task, addresses: Addresses): Given | undefined {
  const revision = view.revisions.of(task.serviceId, task.revision);
  if (revision === undefined) return undefined;
  const networks: TaskAttachment[] = [];
  const undo: (() => void)[] = [];
  const obstacles: Obstacle[] = [];
  for (const networkId of attachedNetworks(view, revision)) {
    const network = view.networks.get(networkId);
    const obstacle = networkObstacle(networkId, network);
    if (obstacle !== undefined) obstacles.push(obstacle);
    if (network === undefined || obstacle !== undefined) continue;
    const given = addresses.give(network);
    if (given.kind === 'full') obstacles.push(...noAddress(network, given.full));
    else {
      networks.push({ networkId, addresses: given.addresses });
      undo.push(() => addresses.putBack(network, given.addresses));
    }
  }
  if (obstacles.length === 0) return { kind: 'given', networks };
  for (const one of undo) one();
  return blocked(...obstacles);
}
