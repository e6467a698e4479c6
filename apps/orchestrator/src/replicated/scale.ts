import { invariant } from '@shoal/runtime';
import type { Task } from '@shoal/state';
import { isBefore, replicasOf } from '@shoal/state';
import { shouldRestart } from '../restart/policy.ts';
import { isStopping } from '../restart/restart.ts';
import { liveTasks, newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';
import { type Canary, heldAt, missingOf } from '../update/canary.ts';
import { isMadeByUpdate } from '../update/progress.ts';

/** Tasks created for one service in one step; the next step goes on. */
export const createsPerStepMax = 20_000;

/** Makes the slots as many as asked for; returns those that stay. */
export function scale(
  subject: Subject,
  slots: ReadonlyMap<number, Slot>,
  canary: Canary,
): readonly Slot[] {
  const replicas = replicasOf(subject.service, subject.revision.spec);
  invariant(replicas !== undefined, 'a service that is not replicated', { id: subject.service.id });
  const filled: Slot[] = [];
  const dead: Slot[] = [];
  for (const slot of slots.values())
    (isFilled(heldAt(subject, canary, slot), slot) ? filled : dead).push(slot);
  const kept = scaleDown(subject, filled, replicas);
  const reused = scaleUp(subject, slots, filled, replicas, canary);
  for (const slot of dead) if (!reused.has(slot.slot)) removeAll(subject, slot);
  return [...kept, ...dead.filter(({ slot }) => reused.has(slot))];
}

/**
 * A slot counts as filled when a task lives in it, or its newest has ended and is not to be restarted.
 * A rollback fills those again that it has not tried itself.
 */
function isFilled(subject: Subject, slot: Slot): boolean {
  const newest = newestTask(slot);
  if (newest === undefined) return false;
  if (liveTasks(slot).length > 0) return true;
  const rollingBack = subject.service.updateStatus?.state === 'rollback_started';
  if (rollingBack && !isMadeByUpdate(subject, newest)) return false;
  if (newest.desired === 'remove') return false;
  return !shouldRestart(subject.revision.spec.TaskTemplate.RestartPolicy, slot, newest);
}

/**
 * Creates what is missing in the lowest free slots; returns the numbers taken. Where a task of the slot
 * is still stopping, the new one gets ready and starts when that has.
 */
function scaleUp(
  subject: Subject,
  slots: ReadonlyMap<number, Slot>,
  filled: readonly Slot[],
  replicas: number,
  canary: Canary,
): Set<number> {
  const { service, plan, view, now } = subject;
  const taken = new Set(filled.map(({ slot }) => slot));
  const created = new Set<number>();
  const missing = replicas - filled.length;
  for (let slot = 1; created.size < Math.min(missing, createsPerStepMax); slot += 1) {
    if (taken.has(slot)) continue;
    const seed = `${service.id}/${slot}/${view.index}`;
    const waits = slots.get(slot)?.tasks.some((task) => isStopping(subject, task));
    const revision = missingOf(subject, canary, slots.get(slot));
    const task = newTask(revision, { slot, nodeId: '' }, waits ? 'ready' : 'running', seed, now);
    plan.create('fewer tasks than replicas', task);
    created.add(slot);
  }
  if (missing > createsPerStepMax) plan.wake(now);
  return created;
}

/**
 * Swarm's choice of what goes: slots with a running task stay before those without, then those that are
 * the first of their node before those that are the second there, and so on; of equals the lower number.
 */
function scaleDown(subject: Subject, slots: readonly Slot[], replicas: number): readonly Slot[] {
  if (slots.length <= replicas) return slots;
  const ranked = [...slots].sort(
    (a, b) => Number(hasRunning(b)) - Number(hasRunning(a)) || a.slot - b.slot,
  );
  const onNode = new Map<string, number>();
  const places = new Map<Slot, number>();
  for (const slot of ranked) {
    const [task, ...more] = liveTasks(slot);
    const nodeId = more.length === 0 ? (task?.nodeId ?? '') : '';
    const place = onNode.get(nodeId) ?? 0;
    onNode.set(nodeId, place + 1);
    places.set(slot, nodeId === '' ? Number.MAX_SAFE_INTEGER : place);
  }
  ranked.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
  for (const slot of ranked.slice(replicas)) removeAll(subject, slot);
  return ranked.slice(0, replicas);
}

function hasRunning(slot: Slot): boolean {
  return liveTasks(slot).some(({ status }) => status.state === 'running');
}

function removeAll({ plan }: Subject, slot: Slot): void {
  for (const task of slot.tasks) markForRemoval(plan, task);
}

/** Tasks that are already on their way out are left alone. */
export function markForRemoval(plan: Subject['plan'], task: Task): void {
  if (isBefore(task.desired, 'remove')) plan.setDesired('no longer wanted', task, 'remove');
}
