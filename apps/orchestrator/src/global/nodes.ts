import { isStopped, type Node } from '@shoal/state';
import { markForRemoval } from '../replicated/scale.ts';
import { shouldRestart } from '../restart/policy.ts';
import { isStopping } from '../restart/restart.ts';
import { liveTasks, newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';
import { type Canary, heldAt, missingOf } from '../update/canary.ts';

/**
 * One task on each fit node, none where the service is stopped. Stops those elsewhere, creates what is missing, returns the slots to look
 * after, and those on paused nodes, where nothing new is begun. Of a node, availability, state and constraints count here; the rest is the scheduler's.
 */
export function spreadOverNodes(
  subject: Subject,
  slots: ReadonlyMap<string, Slot>,
  canary: Canary,
): { readonly kept: readonly Slot[]; readonly resting: readonly Slot[] } {
  const kept: Slot[] = [];
  const resting: Slot[] = [];
  if (isStopped(subject.revision.spec.Labels)) {
    for (const slot of slots.values())
      for (const task of slot.tasks) markForRemoval(subject.plan, task);
    return { kept, resting };
  }
  for (const slot of slots.values()) {
    const node = subject.view.nodes.get(slot.nodeId);
    if (node === undefined) retire(subject, slot, 'remove');
    else if (!isUsable(node) || !subject.meetsConstraints(node, canary.held.get(slot)))
      retire(subject, slot, 'shutdown');
    else (node.spec.Availability === 'active' ? kept : resting).push(slot);
  }
  const filled = new Set(
    kept.filter((slot) => isFilled(heldAt(subject, canary, slot), slot)).map((slot) => slot.nodeId),
  );
  for (const node of subject.view.nodes.values()) {
    const slot = slots.get(node.id);
    const revision = missingOf(subject, canary, slot);
    if (
      node.spec.Availability === 'active' &&
      isUsable(node) &&
      subject.meetsConstraints(node, revision) &&
      !filled.has(node.id)
    )
      create(subject.at(revision), node, slot);
  }
  return { kept, resting };
}

/** Paused nodes, and those not heard of for a while, keep what they have. */
function isUsable(node: Node): boolean {
  return node.spec.Availability !== 'drain' && node.status.state !== 'down';
}

function retire({ plan }: Subject, slot: Slot, desired: 'shutdown' | 'remove'): void {
  const leaving = desired === 'remove' ? slot.tasks : liveTasks(slot);
  for (const task of leaving)
    if (task.desired !== desired) plan.setDesired('node no longer fits the service', task, desired);
}

function isFilled({ revision }: Subject, slot: Slot): boolean {
  const newest = newestTask(slot);
  if (newest === undefined || newest.desired === 'remove') return false;
  if (liveTasks(slot).length > 0) return true;
  return !shouldRestart(revision.spec.TaskTemplate.RestartPolicy, slot, newest);
}

/** Where a task of the node is still stopping, the new one gets ready and starts when that has. */
function create(subject: Subject, node: Node, slot: Slot | undefined): void {
  const { service, revision, plan, view, now } = subject;
  const seed = `${service.id}/${node.id}/${view.index}`;
  const place = { slot: 0, nodeId: node.id };
  const waits = slot?.tasks.some((task) => isStopping(subject, task));
  const task = newTask(revision, place, waits ? 'ready' : 'running', seed, now);
  plan.create('node without a task', task);
}
