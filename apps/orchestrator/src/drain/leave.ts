import { liveTasks, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';
import { type Canary, heldAt } from '../update/canary.ts';
import type { Departure } from './departure.ts';
import { moveStageOf, turnsOf } from './turns.ts';

interface Leaving {
  readonly slot: Slot;
  readonly departure: Departure & { readonly kind: 'gently' };
  readonly taskId: string;
}

/**
 * Starts the replacements of running tasks that leave a drained node gently, as many at a time as the
 * labels allow. The old ones stop once the new ones run, as surplus of their slots; those that are not
 * replaced by the deadline are then treated as lost with their node.
 */
export function leaveGently(
  subject: Subject,
  slots: readonly Slot[],
  canary: Pick<Canary, 'held'>,
): void {
  const { view, plan, now } = subject;
  const waiting: Leaving[] = [];
  let moving = 0;
  for (const slot of slots)
    for (const task of liveTasks(slot)) {
      const departure = subject.departureOf(task);
      if (departure.kind !== 'gently' || plan.isTouched(task)) continue;
      if (departure.until !== undefined) plan.wake(departure.until);
      const stage = moveStageOf(view, task, slot.tasks, now);
      if (stage === 'moving' || plan.hasCreated(slot)) moving += 1;
      else if (stage === 'waiting') waiting.push({ slot, departure, taskId: task.id });
    }
  for (const { slot, departure, taskId } of waiting) {
    const { node, terms } = departure;
    const isTurn =
      terms.scope === 'node'
        ? turnsOf(view, node.id, now).some(({ id }) => id === taskId)
        : moving < terms.parallelism;
    if (!isTurn || plan.hasCreated(slot)) continue;
    moving += 1;
    start(heldAt(subject, canary, slot), slot, taskId);
  }
}

function start({ revision, plan, view, now }: Subject, slot: Slot, taskId: string): void {
  const seed = `drain of ${taskId}/${view.index}`;
  plan.create('drain: start first', newTask(revision, slot, 'running', seed, now));
}
