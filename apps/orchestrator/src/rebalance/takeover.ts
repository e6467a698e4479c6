import { type Instant, later } from '@shoal/runtime';
import { isBefore, isTerminal, type StateView, type Task } from '@shoal/state';
import { byAge } from '../slots.ts';
import type { Subject } from '../subject.ts';

/** How long a moved task may need until it runs; then the move is called off, milliseconds. */
export const moveMsMax = 10 * 60_000;

/** True while a task made by a move is on its way, or runs beside the one that it takes over from. */
export function isMoving(view: StateView, task: Task, now: Instant): boolean {
  if (!isMover(task) || isOverdue(task, now)) return false;
  for (const mate of view.tasks.bySlot(task.serviceId, task.slot))
    if (mate.id !== task.id && isMeantToRun(mate)) return true;
  return isBefore(task.status.state, 'running');
}

/** True for a task that another one of its slot, made by a move, is about to take over from. */
export function isRelieved(subject: Subject, slotMates: readonly Task[], task: Task): boolean {
  return slotMates.some((mate) => {
    if (!isMover(mate) || mate.movedFrom !== task.nodeId || byAge(mate, task) <= 0) return false;
    if (!subject.isSettled(mate) || isOverdue(mate, subject.now)) return false;
    if (isBefore(mate.status.state, 'running')) subject.plan.wake(overdueAt(mate));
    return true;
  });
}

function isMover(task: Task): boolean {
  return task.movedFrom !== undefined && isMeantToRun(task);
}

function isMeantToRun({ desired, status }: Task): boolean {
  return !isBefore('running', desired) && !isTerminal(status.state);
}

function overdueAt({ meta }: Task): Instant {
  return later(meta.createdAt, moveMsMax);
}

function isOverdue(task: Task, now: Instant): boolean {
  return isBefore(task.status.state, 'running') && overdueAt(task) <= now;
}
