import { invariant } from '@shoal/runtime';
import {
  isTerminal,
  type JobRun,
  jobRun,
  keepsJobTasks,
  nextJobStatus,
  type Task,
} from '@shoal/state';
import { scheduleOf } from '../cron/schedule-of.ts';
import { isOnLostNode } from '../node-fitness.ts';
import { createsPerStepMax, markForRemoval } from '../replicated/scale.ts';
import { type Slot, slotsByNode, slotsByNumber } from '../slots.ts';
import type { Subject } from '../subject.ts';
import { trimJobHistory } from './history.ts';
import { retryEnded } from './retry.ts';
import { startWaiting } from './start.ts';
import { isWanted, newJobTask } from './task.ts';

/**
 * Brings the current run of a job forward: tasks where they are missing, another try where one failed,
 * and an end to what earlier runs left.
 */
export function tendJob(subject: Subject, tasks: readonly Task[]): void {
  const { view, service, plan, now } = subject;
  const run = jobRun(view, service);
  if (run === undefined) {
    if (service.jobStatus === undefined && scheduleOf(subject.revision) === undefined)
      plan.updateService('job has never run', {
        ...service,
        jobStatus: nextJobStatus(undefined, service.revision, now),
      });
    return;
  }
  retireEarlier(subject, run, tasks);
  const total = run.revision.spec.Mode.ReplicatedJob?.TotalCompletions;
  if (total === undefined) leaveUnfitNodes(subject, run, tasks);
  const slots: ReadonlyMap<number | string, Slot> =
    total === undefined ? slotsByNode(tasks) : slotsByNumber(tasks);
  for (const slot of slots.values()) {
    retryEnded(subject, run, slot);
    startWaiting(subject, run, slot);
  }
  createMissing(subject, run, slots);
  for (const [key, slot] of slots) {
    if (isNoSlot(subject, run, key)) removeOver(subject, slot);
    else trimJobHistory(subject, run, slot);
  }
}

/** What earlier runs still do is stopped, unless the schedule lets runs overlap. */
function retireEarlier(subject: Subject, run: JobRun, tasks: readonly Task[]): void {
  const { plan, view } = subject;
  const mayGoOn = scheduleOf(subject.revision)?.overlap === 'allow';
  for (const task of tasks) {
    if (task.jobIteration === run.iteration || !isWanted(task)) continue;
    const { state } = task.status;
    if (state === 'complete') continue;
    if (isTerminal(state)) plan.setDesired('its run is over', task, 'shutdown');
    else if (!mayGoOn || task.desired === 'ready' || isOnLostNode(view, task))
      markForRemoval(plan, task);
  }
}

/** A global job ends on nodes that went down, are drained, or meet its constraints no more. */
function leaveUnfitNodes({ view, plan }: Subject, run: JobRun, tasks: readonly Task[]): void {
  const keeps = keepsJobTasks(run.revision);
  for (const task of tasks)
    if (
      task.jobIteration === run.iteration &&
      isWanted(task) &&
      !isTerminal(task.status.state) &&
      !keeps(view.nodes.get(task.nodeId))
    )
      plan.setDesired('node no longer fits the job', task, 'shutdown');
}

/** No more at a time than the job allows; tasks that wait for another try count. */
function createMissing(
  subject: Subject,
  run: JobRun,
  slots: ReadonlyMap<number | string, Slot>,
): void {
  let room = Math.min(createsPerStepMax, roomOf(run));
  if (room <= 0) return;
  for (const key of run.missing()) {
    const empty = typeof key === 'number' ? { slot: key, nodeId: '' } : { slot: 0, nodeId: key };
    const slot: Slot = slots.get(key) ?? { ...empty, tasks: [] };
    subject.plan.create('job needs a task', newJobTask(subject, run, slot));
    room -= 1;
    if (room === 0) return;
  }
}

function roomOf({ revision, standings }: JobRun): number {
  const { ReplicatedJob } = revision.spec.Mode;
  if (ReplicatedJob === undefined) return Number.POSITIVE_INFINITY;
  let live = 0;
  for (const standing of standings.values()) if (standing === 'live') live += 1;
  return ReplicatedJob.MaxConcurrent - live;
}

/** A slot that the job has no more, or a node that is gone. */
function isNoSlot({ view }: Subject, { revision }: JobRun, key: number | string): boolean {
  if (typeof key === 'string') return view.nodes.get(key) === undefined;
  const total = revision.spec.Mode.ReplicatedJob?.TotalCompletions;
  invariant(total !== undefined, 'a numbered slot of a global job', { key });
  return key >= total;
}

function removeOver({ plan }: Subject, { tasks }: Slot): void {
  for (const task of tasks)
    if (!plan.isTouched(task) && isTerminal(task.status.state)) markForRemoval(plan, task);
}
