import type { AppliedChange, Node, StateView, Task } from '@shoal/state';
import { isBefore, isTerminal } from '@shoal/state';
import { isOnLostNode } from './node-fitness.ts';

/** Ids of the services that the changes may give something to do. Says too much rather than too little. */
export function concerned(view: StateView, changes: readonly AppliedChange[]): Set<string> {
  const services = new Set<string>();
  for (const change of changes) for (const id of servicesOf(view, change)) services.add(id);
  return services;
}

function* servicesOf(view: StateView, change: AppliedChange): Iterable<string> {
  switch (change.table) {
    case 'service':
      yield change.id;
      break;
    case 'revision':
      if (change.after !== undefined) yield change.after.serviceId;
      break;
    case 'task': {
      const task = change.after ?? change.before;
      if (task !== undefined && concerns(view, change.before, change.after)) yield task.serviceId;
      break;
    }
    case 'node':
      yield* servicesOnNode(view, change.id, change.before, change.after);
      break;
    case 'cluster':
      if (historyLimitOf(change.before) !== historyLimitOf(change.after))
        for (const { id } of view.services.values()) yield id;
      break;
    case 'network':
    case 'lease':
      break;
  }
}

function historyLimitOf(
  cluster: (AppliedChange & { table: 'cluster' })['after'],
): number | undefined {
  return cluster?.spec.Orchestration.TaskHistoryRetentionLimit;
}

/** A task on its way to running is nobody's concern, unless an update or a slot mate waits for it. */
function concerns(view: StateView, before: Task | undefined, after: Task | undefined): boolean {
  if (after === undefined) return true;
  if (after.desired !== 'running' || isTerminal(after.status.state)) return true;
  if (before !== undefined && before.desired !== after.desired) return true;
  if (before?.nodeId !== after.nodeId && isOnLostNode(view, after)) return true;
  if (view.services.get(after.serviceId) === undefined) return true;
  if (before !== undefined && isBefore(after.status.state, 'running')) return false;
  return before !== undefined ? isAwaited(view, after) : hasMates(view, after);
}

function isAwaited(view: StateView, task: Task): boolean {
  const state = view.services.get(task.serviceId)?.updateStatus?.state;
  return state === 'updating' || state === 'rollback_started' || hasMates(view, task);
}

function hasMates(view: StateView, task: Task): boolean {
  if (task.slot === 0) return true;
  for (const mate of view.tasks.bySlot(task.serviceId, task.slot))
    if (mate.id !== task.id) return true;
  return false;
}

function* servicesOnNode(
  view: StateView,
  nodeId: string,
  before: Node | undefined,
  after: Node | undefined,
): Iterable<string> {
  if (before !== undefined && after !== undefined && !isFitnessChanged(before, after)) return;
  for (const { serviceId } of view.tasks.byNode(nodeId)) yield serviceId;
  for (const { id, revision } of view.services.values())
    if (view.revisions.of(id, revision)?.spec.Mode.Global !== undefined) yield id;
}

/** Constraints may look at anything a node says of itself, so only statements about health are skipped. */
function isFitnessChanged(before: Node, after: Node): boolean {
  return (
    before.spec !== after.spec ||
    before.role !== after.role ||
    before.status.state !== after.status.state ||
    before.status.addr !== after.status.addr ||
    before.description !== after.description
  );
}
