import {
  capacityOf,
  demandOf,
  enforcedErr,
  holdsOnNode,
  isBefore,
  isJob,
  isTerminal,
  type Node,
  namedOf,
  type StateView,
  type Task,
} from '@shoal/state';
import { byAge } from '../slots.ts';
import type { Subject } from '../subject.ts';

/** Swarm's words, beside its error. */
const enforcedMessage = 'task rejected by constraint enforcer';

/**
 * Rejects tasks whose node has changed so that they would not be placed there any more: its labels do
 * not meet the constraints, or it has less than its tasks reserve. What was rejected is then replaced as
 * if it had failed. Nodes that are paused or drained are left alone.
 */
export function enforce(subject: Subject, tasks: Iterable<Task>): void {
  const { view, plan, now } = subject;
  for (const task of tasks) {
    if (isBefore('complete', task.desired) || isTerminal(task.status.state)) continue;
    const node = view.nodes.get(task.nodeId);
    if (node?.spec.Availability !== 'active' || node.status.state === 'down') continue;
    if (plan.isTouched(task) || suits(subject, task, node)) continue;
    const state = 'rejected';
    const said = { at: now, message: enforcedMessage, err: enforcedErr };
    plan.setStatus(enforcedErr, task, { ...task.status, state, ...said });
  }
}

function suits(subject: Subject, task: Task, node: Node): boolean {
  return (
    meetsConstraints(subject, task, node) &&
    hasWhatWasGiven(node, task) &&
    !isBeyondCapacity(subject.view, task, node)
  );
}

/**
 * The service's constraints count, not those the task was made with. While an update is to move the
 * task anyway it goes in its turn, unless the node was given other labels, or the like, after the update
 * began: what else is written of a node is no reason. A run of a job goes by what it began with.
 */
function meetsConstraints(subject: Subject, task: Task, node: Node): boolean {
  const { view, revision } = subject;
  if (isJob(revision.spec)) {
    const own = view.revisions.of(task.serviceId, task.revision);
    return own === undefined || subject.meetsConstraints(node, own);
  }
  if (subject.meetsConstraints(node)) return true;
  return subject.ageOf(task) !== 'current' && (node.factsChangedAt ?? 0) <= subject.changedAt;
}

/** False when a named resource that the task was given is no longer there. */
function hasWhatWasGiven({ description }: Node, { genericResources }: Task): boolean {
  const given = namedOf(genericResources);
  if (given.length === 0 || description === undefined) return true;
  const has = namedOf(description.Resources.GenericResources);
  return given.every((key) => has.includes(key));
}

/** True when the node's capacity is used up by the tasks before this one, in order of their creation. */
function isBeyondCapacity(view: StateView, task: Task, node: Node): boolean {
  return isOverCommitted(view, node) && overflow(view, node).has(task.id);
}

/** True when the tasks of the node reserve more than it has, which only happens to one that shrank. */
export function isOverCommitted(view: StateView, node: Node): boolean {
  if (node.description === undefined) return false;
  const has = capacityOf(node);
  const used = view.usage(node.id);
  if (used.nanoCpus > has.nanoCpus || used.memoryBytes > has.memoryBytes) return true;
  for (const [kind, amount] of used.generic) if (amount > (has.generic.get(kind) ?? 0)) return true;
  return false;
}

/** Ids of the tasks for which nothing is left. */
function overflow(view: StateView, node: Node): ReadonlySet<string> {
  const has = capacityOf(node);
  let { nanoCpus, memoryBytes } = has;
  const generic = new Map(has.generic);
  const beyond = new Set<string>();
  for (const task of [...view.tasks.byNode(node.id)].sort(byAge)) {
    const revision = view.revisions.of(task.serviceId, task.revision);
    if (revision === undefined || !holdsOnNode(task)) continue;
    const asks = demandOf(revision);
    const kinds = [...asks.generic];
    const fits =
      (asks.nanoCpus === 0 || asks.nanoCpus <= nanoCpus) &&
      (asks.memoryBytes === 0 || asks.memoryBytes <= memoryBytes) &&
      kinds.every(([kind, amount]) => amount <= (generic.get(kind) ?? 0));
    if (!fits) {
      if (isBefore(task.desired, 'shutdown')) beyond.add(task.id);
      continue;
    }
    nanoCpus -= asks.nanoCpus;
    memoryBytes -= asks.memoryBytes;
    for (const [kind, amount] of kinds) generic.set(kind, (generic.get(kind) ?? 0) - amount);
  }
  return beyond;
}
