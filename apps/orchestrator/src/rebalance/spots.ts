import { type Instant, later } from '@shoal/runtime';
import {
  affinityLabels,
  capacityOf,
  demandOf,
  flagOf,
  isSticky,
  isTerminal,
  isUpToDate,
  meetsPlacement,
  type Node,
  placementLabels,
  policyLabel,
  type Revision,
  rankOf,
  rebalanceLabel,
  replicasOf,
  type Service,
  type StateView,
  serviceLabels,
  spreadValue,
  type Task,
} from '@shoal/state';
import { isLive } from '../slots.ts';
import type { Spot } from './imbalance.ts';

/** A node to which a move did not come to last is left alone for so long, milliseconds. */
export const retryMs = 3_600_000;

/** Whether the labels ask for moves, and nothing else says where the service's tasks belong. */
export function mayBeMoved(view: StateView, revision: Revision): boolean {
  if (revision.spec.Mode.Replicated === undefined) return false;
  if (flagOf(policyLabel(view, revision, rebalanceLabel)) !== true) return false;
  if ((rankOf(policyLabel(view, revision, placementLabels.rank)) ?? 'spread') !== 'spread')
    return false;
  const labels = serviceLabels(view, revision);
  if (Object.values(affinityLabels).some((name) => labels[name] !== undefined)) return false;
  return !isSticky(view, revision);
}

/** The service's tasks when all is calm: each slot has one, and it runs as it should; else undefined. */
export function calmTasks(
  view: StateView,
  service: Service,
  revision: Revision,
): readonly Task[] | undefined {
  const state = service.updateStatus?.state;
  if (state !== undefined && state !== 'completed' && state !== 'rollback_completed')
    return undefined;
  const live = [...view.tasks.byService(service.id)].filter(isLive);
  if (live.length !== replicasOf(service, revision.spec)) return undefined;
  const calm = live.every(
    (task) =>
      task.desired === 'running' &&
      task.status.state === 'running' &&
      isUpToDate(view, task) &&
      isOpen(view.nodes.get(task.nodeId)),
  );
  return calm ? live : undefined;
}

/** Every node that has tasks of the service or could take one. */
export function spotsOf(
  view: StateView,
  revision: Revision,
  tasks: readonly Task[],
  barred: ReadonlySet<string>,
): readonly Spot[] {
  const counts = new Map<string, number>();
  for (const { nodeId } of tasks) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  const preferences = revision.spec.TaskTemplate.Placement?.Preferences ?? [];
  const spots: Spot[] = [];
  for (const node of view.nodes.values()) {
    const ofService = counts.get(node.id) ?? 0;
    const fits = !barred.has(node.id) && hasRoom(view, node, revision);
    if (ofService === 0 && !fits) continue;
    spots.push({
      nodeId: node.id,
      ofService,
      total: view.usage(node.id).tasks,
      fits,
      branches: preferences.map(({ Spread }) => spreadValue(node, Spread.SpreadDescriptor)),
    });
  }
  return spots;
}

/** Nodes to which a task of the service was moved of late and did not stay, and until when that counts. */
export function barredNodes(
  view: StateView,
  serviceId: string,
  now: Instant,
): ReadonlyMap<string, Instant> {
  const barred = new Map<string, Instant>();
  for (const task of view.tasks.byService(serviceId)) {
    if (task.movedFrom === undefined || !hasFailed(task)) continue;
    const until = later(task.meta.createdAt, retryMs);
    if (until > now && until > (barred.get(task.nodeId) ?? 0)) barred.set(task.nodeId, until);
  }
  return barred;
}

function hasFailed({ status, desired }: Task): boolean {
  return isTerminal(status.state) || (desired !== 'running' && status.startedAt === undefined);
}

function isOpen(node: Node | undefined): boolean {
  return node?.status.state === 'ready' && node.spec.Availability === 'active';
}

/** What can be told without the scheduler, which has the last word on the node of a move. */
function hasRoom(view: StateView, node: Node, revision: Revision): boolean {
  if (!isOpen(node) || !meetsPlacement(node, revision)) return false;
  const { nanoCpus, memoryBytes, generic, hostPorts, maxReplicasPerNode } = demandOf(revision);
  const capacity = capacityOf(node);
  const used = view.usage(node.id);
  if (nanoCpus > capacity.nanoCpus - used.nanoCpus) return false;
  if (memoryBytes > capacity.memoryBytes - used.memoryBytes) return false;
  for (const [kind, amount] of generic)
    if (amount > (capacity.generic.get(kind) ?? 0) - (used.generic.get(kind) ?? 0)) return false;
  if (hostPorts.some(({ key }) => used.hostPorts.has(key))) return false;
  const replicas = used.tasksByService.get(revision.serviceId) ?? 0;
  return maxReplicasPerNode === 0 || replicas < maxReplicasPerNode;
}
