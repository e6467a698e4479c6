import { isBefore, isTerminal, type JobRun, type Task } from '@shoal/state';
import { isUnreachable } from '../node-fitness.ts';
import { newestTask, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';

/** A task that is to run to its end: it has not been called off. */
export function isWanted({ desired }: Task): boolean {
  return !isBefore('complete', desired);
}

/** The tries of one run in a slot, oldest first. */
export function triesOf({ iteration }: JobRun, { tasks }: Slot): readonly Task[] {
  return tasks.filter(({ jobIteration }) => jobIteration === iteration);
}

/** True while something of a task that was called off may still run. */
export function isStopping({ view, plan }: Subject, task: Task): boolean {
  return (
    (!isWanted(task) || plan.isTouched(task)) &&
    !isTerminal(task.status.state) &&
    !isBefore(task.status.state, 'assigned') &&
    !isUnreachable(view, task)
  );
}

/** A task for the slot; it gets ready only, while one of an earlier run there is still stopping. */
export function newJobTask(subject: Subject, run: JobRun, slot: Slot): Task {
  const { service, now } = subject;
  const { iteration, revision } = run;
  const after = newestTask(slot)?.id ?? 'none';
  const seed = `${service.id}/${iteration}/${slot.slot}/${slot.nodeId}/after ${after}`;
  const waits = slot.tasks.some((task) => isStopping(subject, task));
  const task = newTask(revision, slot, waits ? 'ready' : 'complete', seed, now);
  return { ...task, jobIteration: iteration };
}
