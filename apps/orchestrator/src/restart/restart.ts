import type { Instant } from '@shoal/runtime';
import { formatDuration, isBefore, isTerminal, type Task, type TaskRestart } from '@shoal/state';
import { isDrained, isOnLostNode, isUnreachable } from '../node-fitness.ts';
import { liveTasks, type Slot } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { newTask } from '../task.ts';
import { paceOf } from '../update/config.ts';
import { failedEarly } from '../update/failures.ts';
import { isMadeByUpdate } from '../update/progress.ts';
import { backoffDelayMs, failuresInARow, isMove, shouldRestart } from './policy.ts';

/** How long a replacement waits for the old task to stop, milliseconds. Swarm's value. */
const stopTimeoutMs = 60_000;

/**
 * Replaces the tasks of a slot that ended or lost their node. The replacement is made at once, so that
 * a node can prepare it, and starts later: see {@link startReplacements}.
 */
export function restartEnded(subject: Subject, slot: Slot): void {
  const { plan, revision, view, now } = subject;
  const live = liveTasks(slot).filter((task) => !plan.isTouched(task));
  const ended = live.filter((task) => !subject.isHealthy(task));
  const [first, ...others] = ended;
  if (first === undefined) return;
  for (const task of others) stop(subject, task, undefined);
  const covered = live.some((task) => subject.isSettled(task));
  const mayReturn = slot.nodeId === '' || !isOnLostNode(view, first);
  const policy = revision.spec.TaskTemplate.RestartPolicy;
  if (covered || !mayReturn || !shouldRestart(policy, slot, first)) {
    stop(subject, first, undefined);
    return;
  }
  const due = notBefore(first);
  if (due > now && !isMove(first)) {
    plan.wake(due);
    return;
  }
  const restart = restartOf(subject, first);
  const made = newTask(revision, slot, 'ready', `replacement of ${first.id}`, now);
  const err = restart === undefined ? '' : waitText(restart);
  const status = { ...made.status, err };
  stop(subject, first, { ...made, status, ...(restart && { restart }) });
}

/** Tasks of a lost node go together: nobody there writes to them meanwhile. Others go one by one. */
function stop({ plan, view }: Subject, task: Task, replacement: Task | undefined): void {
  const { state } = task.status;
  if (!isTerminal(state) && isUnreachable(view, task))
    plan.moveAway('node of the task is lost', task, replacement);
  else if (replacement === undefined) plan.setDesired('task ended', task, 'shutdown');
  else plan.replace(reasonFor(task), [task], replacement);
}

function reasonFor({ status }: Task): string {
  return isTerminal(status.state) ? `task ended as ${status.state}` : 'node of the task is drained';
}

/** Undefined when there is nothing to wait for: the one before was another thing, or its node is drained. */
function restartOf(subject: Subject, before: Task): TaskRestart | undefined {
  const { view, revision } = subject;
  if (subject.isDirty(before)) return undefined;
  const known = firstOf(subject, before);
  const first = known && { first: known };
  if (!isMove(before)) {
    const failures = failuresInARow(before);
    return { delayMs: backoffDelayMs(revision, failures), failures, ...first };
  }
  if (isDrained(view, before)) return undefined;
  const failures = before.restart?.failures ?? 0;
  return { delayMs: backoffDelayMs(revision, 0), failures, moved: true, ...first };
}

/** Undefined when the successor of `before` is itself the first that the current update has in the slot. */
function firstOf(subject: Subject, before: Task): TaskRestart['first'] {
  if (!isMadeByUpdate(subject, before)) return undefined;
  const { restart, status, meta } = before;
  if (restart?.first !== undefined) return restart.first;
  if (isBefore(status.state, 'running')) return undefined;
  const failed = failedEarly(before, paceOf(subject).monitorMs);
  return { failed, settledAt: meta.updatedAt };
}

/** What a task says that waits after several failures; the command line shows it as its error. */
function waitText({ delayMs, failures, moved }: TaskRestart): string {
  if (failures < 2 || moved) return '';
  return `waits ${formatDuration(delayMs)} to restart: ${failures} failures in a row`;
}

/** Lets replacements start whose delay is over and whose predecessors have stopped. */
export function startReplacements(subject: Subject, slot: Slot): void {
  const { plan, now } = subject;
  for (const task of liveTasks(slot)) {
    if (task.desired !== 'ready' || plan.isTouched(task) || isTerminal(task.status.state)) continue;
    const at = startTime(slot, task, (older) => isStopping(subject, older));
    if (at > now) {
      plan.wake(at);
      sayWhatIsWaitedFor(subject, task);
    } else plan.write('replacement may start', started(task));
  }
}

/** The scheduler clears the text when it places the task; until the task starts it belongs there. */
function sayWhatIsWaitedFor({ plan }: Subject, task: Task): void {
  const err = task.restart === undefined ? '' : waitText(task.restart);
  const { status } = task;
  if (status.state === 'ready' && err !== '' && status.err === '')
    plan.setStatus(err, task, { ...status, err });
}

function started(task: Task): Task {
  const { status, restart } = task;
  const desired = 'running';
  const isOver = restart !== undefined && status.err !== '' && status.err === waitText(restart);
  return isOver ? { ...task, desired, status: { ...status, err: '' } } : { ...task, desired };
}

/**
 * When the task's own wait is over. One that cannot even be prepared, for want of its image, ends before
 * that; the next is tried no sooner.
 */
export function notBefore({ meta, restart }: Task): Instant {
  return (meta.createdAt + (restart?.delayMs ?? 0)) as Instant;
}

/** When the task may start: after its wait, and after those before it that are stopping, or had a minute to. */
export function startTime(slot: Slot, task: Task, isStopping: (older: Task) => boolean): Instant {
  const { createdAt } = task.meta;
  const delayed = notBefore(task);
  const awaited = slot.tasks.slice(0, slot.tasks.indexOf(task)).some(isStopping);
  return (awaited ? Math.max(delayed, createdAt + stopTimeoutMs) : delayed) as Instant;
}

/** Told to stop, on a node that can still say when it has. */
export function isStopping({ view }: Subject, task: Task): boolean {
  return (
    isBefore('running', task.desired) &&
    !isTerminal(task.status.state) &&
    !isBefore(task.status.state, 'assigned') &&
    !isUnreachable(view, task)
  );
}
