import type { Instant } from '@shoal/runtime';
import { isBefore, isTerminal, type Task } from '@shoal/state';
import { isDrained, isOnLostNode, isUnreachable } from '../node-fitness.ts';
import { liveTasks, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';
import { restartDelayMs, shouldRestart } from './policy.ts';

/** How long a replacement waits for the old task to stop, milliseconds. Swarm's value. */
export const stopTimeoutMs = 60_000;

/**
 * Replaces the tasks of a slot that ended or lost their node. The replacement is made at once, so that
 * a node can prepare it, and starts later: see {@link startReplacements}.
 */
export function restartEnded(subject: Subject, slot: Slot): void {
  const { service, plan, revision, view, now } = subject;
  const live = liveTasks(slot).filter((task) => !plan.isTouched(task));
  const ended = live.filter((task) => !subject.isHealthy(task));
  const [first, ...others] = ended;
  if (first === undefined) return;
  for (const task of others) plan.setDesired('task ended', task, 'shutdown');
  const covered = live.some((task) => subject.isHealthy(task) && !subject.isDirty(task));
  const mayReturn = slot.nodeId === '' || !isOnLostNode(view, first);
  const policy = revision.spec.TaskTemplate.RestartPolicy;
  if (covered || !mayReturn || !shouldRestart(policy, slot, first)) {
    plan.setDesired('task ended', first, 'shutdown');
    return;
  }
  const replacement = newTask(service, slot, 'ready', `replacement of ${first.id}`, now);
  plan.replace(reasonFor(first), [first], replacement);
}

function reasonFor({ status }: Task): string {
  return isTerminal(status.state) ? `task ended as ${status.state}` : 'node of the task is lost';
}

/** Lets replacements start whose delay is over and whose predecessors have stopped. */
export function startReplacements(subject: Subject, slot: Slot): void {
  const { plan, now } = subject;
  for (const task of liveTasks(slot)) {
    if (task.desired !== 'ready' || plan.isTouched(task) || isTerminal(task.status.state)) continue;
    const at = startTime(subject, slot, task);
    if (at > now) plan.wake(at);
    else plan.setDesired('replacement may start', task, 'running');
  }
}

function startTime(subject: Subject, slot: Slot, task: Task): Instant {
  const { createdAt } = task.meta;
  const older = slot.tasks.slice(0, slot.tasks.indexOf(task));
  const delayed = createdAt + startDelayMs(subject, older.at(-1), task);
  const awaited = older.some((other) => isStopping(subject, other));
  return (awaited ? Math.max(delayed, createdAt + stopTimeoutMs) : delayed) as Instant;
}

/** The restart delay counts for restarts only: not for updates, nor when the node is being emptied. */
function startDelayMs(subject: Subject, predecessor: Task | undefined, task: Task): number {
  if (predecessor === undefined || isDrained(subject.view, predecessor)) return 0;
  const isUpdate =
    predecessor.revision !== task.revision &&
    subject.isDirty(predecessor) !== subject.isDirty(task);
  return isUpdate ? 0 : restartDelayMs(subject.revision.spec.TaskTemplate.RestartPolicy);
}

function isStopping({ view }: Subject, task: Task): boolean {
  return (
    isBefore('running', task.desired) &&
    !isTerminal(task.status.state) &&
    !isBefore(task.status.state, 'assigned') &&
    !isUnreachable(view, task)
  );
}
