import { isDeepStrictEqual } from 'node:util';
import type { Instant } from '@shoal/runtime';
import type { AppliedChange, Node, StateView, Task } from '@shoal/state';
import { isBefore, isTerminal, meetsPlacement } from '@shoal/state';
import { turnsOf } from './drain/turns.ts';
import { isOverCommitted } from './enforce/enforce.ts';
import { isDrained, isOnLostNode, isUnreachable } from './node-fitness.ts';
import { absentNodes } from './reaper/absent-nodes.ts';
import { findsNoNode } from './update/progress.ts';

/** What the changes may give something to do. Says too much rather than too little. */
export interface Concerned {
  readonly services: Set<string>;
  readonly nodes: Set<string>;
}

export function concerned(
  view: StateView,
  changes: readonly AppliedChange[],
  now: Instant,
): Concerned {
  const services = new Set<string>();
  const nodes = new Set<string>();
  for (const change of changes) {
    for (const id of servicesOf(view, change)) services.add(id);
    for (const id of nodesOf(view, change)) nodes.add(id);
  }
  // Where one task has left, or cannot, it is the next one's turn.
  for (const nodeId of nodes)
    for (const { serviceId } of turnsOf(view, nodeId, now)) services.add(serviceId);
  return { services, nodes };
}

/** Nodes that are drained or down, or were, and that the change may bring forward, or end. */
function* nodesOf(view: StateView, change: AppliedChange): Iterable<string> {
  if (change.table === 'node') yield change.id;
  yield* absentNodes(view, change);
  if (change.table === 'attachment' && change.after?.kind === 'container')
    yield change.after.nodeId;
  if (change.table !== 'task') return;
  const { before, after } = change;
  const task = after ?? before;
  if (task === undefined || !concerns(view, before, after)) return;
  if (isDrained(view, task) || isUnreachable(view, task)) yield task.nodeId;
  if (task.slot === 0) return;
  for (const mate of view.tasks.bySlot(task.serviceId, task.slot))
    if (isDrained(view, mate)) yield mate.nodeId;
}

function* servicesOf(view: StateView, change: AppliedChange): Iterable<string> {
  switch (change.table) {
    case 'service':
      yield change.id;
      break;
    case 'revision':
      if (change.after !== undefined) yield change.after.serviceId;
      break;
    case 'task':
      yield* servicesOfTask(view, change.before, change.after);
      break;
    case 'node':
      yield* servicesOnNode(view, change.id, change.before, change.after);
      break;
    case 'cluster':
      if (historyLimitOf(change.before) !== historyLimitOf(change.after))
        for (const { id } of view.services.values()) yield id;
      break;
    default:
      break;
  }
}

/** Besides its own service, where a node has too little for its tasks, the others there. */
function* servicesOfTask(
  view: StateView,
  before: Task | undefined,
  after: Task | undefined,
): Iterable<string> {
  const task = after ?? before;
  if (task === undefined) return;
  if (concerns(view, before, after)) yield task.serviceId;
  const node = view.nodes.get(task.nodeId);
  if (node === undefined || !isOverCommitted(view, node)) return;
  for (const { serviceId } of view.tasks.byNode(node.id)) yield serviceId;
}

function historyLimitOf(
  cluster: (AppliedChange & { table: 'cluster' })['after'],
): number | undefined {
  return cluster?.spec.Orchestration.TaskHistoryRetentionLimit;
}

/** A task on its way to running is nobody's concern, unless an update or a slot mate waits for it. */
function concerns(view: StateView, before: Task | undefined, after: Task | undefined): boolean {
  if (after === undefined) return true;
  if (after.desired === 'complete' && before?.desired === 'complete')
    return isTerminal(after.status.state) || before.nodeId !== after.nodeId;
  if (after.desired !== 'running' || isTerminal(after.status.state)) return true;
  if (before !== undefined && before.desired !== after.desired) return true;
  if (!isDeepStrictEqual(before?.status.load, after.status.load)) return true;
  const service = view.services.get(after.serviceId);
  if (service === undefined) return true;
  // Whether a task of an older revision may stay can depend on its node; and that may have changed meanwhile.
  if (before?.nodeId !== after.nodeId)
    if (
      isOnLostNode(view, after) ||
      after.revision !== service.revision ||
      !meetsConstraints(view, after)
    )
      return true;
  if (before !== undefined && findsNoNode(before) !== findsNoNode(after))
    return isUpdating(view, after);
  if (before !== undefined && isBefore(after.status.state, 'running')) return false;
  return before !== undefined ? isAwaited(view, after) : hasMates(view, after);
}

function meetsConstraints(view: StateView, { serviceId, revision, nodeId }: Task): boolean {
  const made = view.revisions.of(serviceId, revision);
  const constraints = made?.spec.TaskTemplate.Placement?.Constraints ?? [];
  if (made === undefined || nodeId === '' || constraints.length === 0) return true;
  return meetsPlacement(view.nodes.get(nodeId), made);
}

function isAwaited(view: StateView, task: Task): boolean {
  return isUpdating(view, task) || hasMates(view, task);
}

function isUpdating(view: StateView, { serviceId }: Task): boolean {
  const state = view.services.get(serviceId)?.updateStatus?.state;
  return state === 'updating' || state === 'rollback_started';
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
  const mayMatter = before === undefined || after === undefined || isFitnessChanged(before, after);
  if (!mayMatter) return;
  for (const { serviceId } of view.tasks.byNode(nodeId)) yield serviceId;
  for (const { id, revision } of view.services.values()) {
    const mode = view.revisions.of(id, revision)?.spec.Mode;
    if (mode?.Global !== undefined || mode?.GlobalJob !== undefined) yield id;
  }
}

/** Constraints may look at anything a node says of itself, so only statements about health are skipped. */
function isFitnessChanged(before: Node, after: Node): boolean {
  return (
    before.spec !== after.spec ||
    before.role !== after.role ||
    before.status.state !== after.status.state ||
    before.status.addr !== after.status.addr ||
    before.description !== after.description ||
    before.drain?.since !== after.drain?.since
  );
}
