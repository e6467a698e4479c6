import type { Instant } from '@shoal/runtime';
import { isTerminal, type JobRun, type Task } from '@shoal/state';
import { stopTimeoutMs } from '../restart/restart.ts';
import type { Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isStopping } from './task.ts';

/** Lets tasks run whose delay is over and whose predecessors have stopped, or had a minute to. */
export function startWaiting(subject: Subject, run: JobRun, slot: Slot): void {
  const { plan, now } = subject;
  for (const task of slot.tasks) {
    if (task.desired !== 'ready' || task.jobIteration !== run.iteration) continue;
    if (plan.isTouched(task) || isTerminal(task.status.state)) continue;
    const at = startTime(subject, slot, task);
    if (at > now) plan.wake(at);
    else plan.setDesired('job task may start', task, 'complete');
  }
}

function startTime(subject: Subject, slot: Slot, task: Task): Instant {
  const { createdAt } = task.meta;
  const delayed = createdAt + (task.restart?.delayMs ?? 0);
  const older = slot.tasks.slice(0, slot.tasks.indexOf(task));
  const awaited = older.some((other) => isStopping(subject, other));
  return (awaited ? Math.max(delayed, createdAt + stopTimeoutMs) : delayed) as Instant;
}
