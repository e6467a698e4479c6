import { apiErrors, type Quorum } from '@shoal/docker-api';
import { type Clock, type Logger, newId, type Random, within } from '@shoal/runtime';
import type { HostedManager } from './hosted-manager.ts';
import type { Manager, Standing } from './standing.ts';

/** Longest wait of a leaving manager for the others to let it go, milliseconds. */
const releaseMsMax = 5_000;

/** Whether a host that stands so may leave. @throws ApiError in Docker's words */
export async function checkLeave(standing: Standing, force: boolean): Promise<void> {
  switch (standing.kind) {
    case 'inactive':
      throw apiErrors.notInSwarm();
    case 'locked':
      if (!force) throw apiErrors.leaveLocked();
      return;
    case 'manager':
      if (!force) await refuseManagerLeave(standing.manager);
      return;
    case 'pending':
    case 'error':
      if (!force && standing.identity?.role !== 'worker') throw apiErrors.leaveInactiveManager();
      return;
    case 'worker':
  }
}

/**
 * What `docker swarm leave` without `--force` is told on a manager: it always asks for the flag, with the
 * reason that holds here. @throws ApiError
 */
export async function refuseManagerLeave(manager: Manager): Promise<never> {
  const { reachable, unreachable } = counts(manager, await manager.quorum());
  // As Swarm counts: after this one has gone, more must be left than are away.
  if (reachable - 2 > unreachable) throw apiErrors.leaveManager();
  if (reachable === 1 && unreachable === 0) throw apiErrors.leaveLastManager();
  throw apiErrors.leaveWithoutQuorum(Math.max(0, reachable - 1), reachable + unreachable);
}

function counts(
  { identity, replica }: Manager,
  { reachability }: Quorum,
): { readonly reachable: number; readonly unreachable: number } {
  let reachable = 0;
  let unreachable = 0;
  for (const { id, role, manager } of replica.view.nodes.values()) {
    if (role !== 'manager' || (manager === undefined && id !== identity.nodeId)) continue;
    if (id === identity.nodeId || reachability.get(id) === 'reachable') reachable += 1;
    else unreachable += 1;
  }
  return { reachable, unreachable };
}

/**
 * Demotes this node and waits until the other managers go on without its vote, so that its leaving costs
 * the swarm nothing. Best effort: one that is asked to leave by force leaves.
 */
export async function askRelease(
  manager: HostedManager,
  removed: Promise<void>,
  ports: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): Promise<void> {
  const { clock, random, logger } = ports;
  const { replica, identity } = manager;
  const node = replica.view.nodes.get(identity.nodeId);
  const isOnly = ![...replica.view.nodes.values()].some(
    ({ id, spec }) => id !== identity.nodeId && spec.Role === 'manager',
  );
  if (node === undefined || isOnly) return;
  const object = { ...node, spec: { ...node.spec, Role: 'worker' } } as const;
  const demotion = {
    id: newId(random),
    actor: { kind: 'user', name: 'docker swarm leave', node: identity.nodeId },
    reason: 'a manager that leaves votes no more',
    decidedAt: replica.view.index,
    changes: [{ op: 'update', table: 'node', object }],
  } as const;
  const released = replica.propose([demotion]).then(async (result) => {
    const [outcome] = result.kind === 'applied' ? result.outcomes : [];
    if (outcome?.kind === 'committed') await removed;
    return outcome?.kind ?? 'failed';
  });
  const outcome = await within(clock, releaseMsMax, released);
  logger.info({ node: identity.nodeId, outcome: outcome ?? 'late' }, 'manager_release');
}
