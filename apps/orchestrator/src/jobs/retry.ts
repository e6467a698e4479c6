import {
  hasJobTaskFailed,
  isTerminal,
  type JobRun,
  mayRetryJob,
  type Task,
  type TaskRestart,
} from '@shoal/state';
import { isDrained, isOnLostNode, isUnreachable } from '../node-fitness.ts';
import { backoffDelayMs, failuresInARow } from '../restart/policy.ts';
import { notBefore } from '../restart/restart.ts';
import type { Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { isWanted, newJobTask, triesOf } from './task.ts';

/**
 * Tries again where a task failed or lost its node, or gives the slot up: a called-off task without a
 * successor says so from then on. Once a slot is complete, nothing more of it is wanted.
 */
export function retryEnded(subject: Subject, run: JobRun, slot: Slot): void {
  const { plan, view, now } = subject;
  const tries = triesOf(run, slot);
  const wanted = tries.filter(
    (task) => isWanted(task) && task.status.state !== 'complete' && !plan.isTouched(task),
  );
  if (tries.some(({ status }) => status.state === 'complete')) {
    for (const task of wanted) callOff(subject, task, undefined);
    return;
  }
  const [ended, ...others] = wanted.filter((task) => !isHealthy(subject, task));
  if (ended === undefined) return;
  if (slot.nodeId !== '' && view.nodes.get(slot.nodeId)?.spec.Availability === 'pause') return;
  for (const task of others) callOff(subject, task, undefined);
  const covered = wanted.some((task) => isHealthy(subject, task));
  const mayReturn = slot.nodeId === '' || !isOnLostNode(view, ended);
  const again = !covered && mayReturn && mayRetryJob(run.revision, tries, ended);
  const due = notBefore(ended);
  if (again && hasJobTaskFailed(ended) && due > now) {
    plan.wake(due);
    return;
  }
  callOff(subject, ended, again ? successorOf(subject, run, slot, ended) : undefined);
}

/** Draining does not wait: a job that ran on two nodes for a while would do its work twice. */
function isHealthy({ view }: Subject, task: Task): boolean {
  return !isTerminal(task.status.state) && !isOnLostNode(view, task);
}

function successorOf(subject: Subject, run: JobRun, slot: Slot, ended: Task): Task {
  const task: Task = { ...newJobTask(subject, run, slot), desired: 'ready' };
  const restart = restartOf(subject, run, ended);
  return restart === undefined ? task : { ...task, restart };
}

/** Undefined when there is nothing to wait for: the node of the one before is being emptied. */
function restartOf({ view }: Subject, { revision }: JobRun, ended: Task): TaskRestart | undefined {
  if (hasJobTaskFailed(ended)) {
    const failures = failuresInARow(ended);
    return { delayMs: backoffDelayMs(revision, failures), failures };
  }
  if (isDrained(view, ended)) return undefined;
  const failures = ended.restart?.failures ?? 0;
  return { delayMs: backoffDelayMs(revision, 0), failures, moved: true };
}

function callOff({ plan, view }: Subject, task: Task, successor: Task | undefined): void {
  const { state } = task.status;
  if (!isTerminal(state) && isUnreachable(view, task))
    plan.moveAway('node of the job task is lost', task, successor);
  else if (successor === undefined) plan.setDesired('job task is over', task, 'shutdown');
  else plan.replace(`job task ended as ${state}`, [task], successor);
}
