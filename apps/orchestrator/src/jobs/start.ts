import { isTerminal, type JobRun } from '@shoal/state';
import { startTime } from '../restart/restart.ts';
import type { Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isStopping } from './task.ts';

/** Lets tasks run whose delay is over and whose predecessors have stopped, or had a minute to. */
export function startWaiting(subject: Subject, run: JobRun, slot: Slot): void {
  const { plan, now } = subject;
  for (const task of slot.tasks) {
    if (task.desired !== 'ready' || task.jobIteration !== run.iteration) continue;
    if (plan.isTouched(task) || isTerminal(task.status.state)) continue;
    const at = startTime(slot, task, (older) => isStopping(subject, older));
    if (at > now) plan.wake(at);
    else plan.setDesired('job task may start', task, 'complete');
  }
}
