import type { Instant } from '@shoal/runtime';
import {
  type CronStatus,
  isJob,
  isRunOver,
  isStopped,
  isTerminal,
  jobRun,
  lastTime,
  nextJobStatus,
  nextTime,
  type Schedule,
  type Service,
  type Task,
} from '@shoal/state';
import { isUnreachable } from '../node-fitness.ts';
import type { Subject } from '../subject.ts';
import { callOff, callOffFirst, startReplicas } from './replicas.ts';
import { scheduleOf } from './schedule-of.ts';

/**
 * How late a run may start and still count as on time, milliseconds: long enough for another orchestrator
 * to take over.
 */
export const onTimeMs = 60_000;

/** How far back a missed run is made up for, milliseconds: a day. */
const lookBackMs = 86_400_000;

/**
 * Starts what is due by the service's schedule: of several runs, the last. The scheduled time is written in
 * the transaction that starts the run, so whoever looks next, here or elsewhere, counts on from there.
 * True when it wrote the service: everything else of it waits for the next step.
 */
export function tendCron(subject: Subject, tasks: readonly Task[]): boolean {
  const { service, revision, plan } = subject;
  const schedule = isStopped(revision.spec.Labels) ? undefined : scheduleOf(revision);
  if (schedule === undefined) {
    if (service.cron === undefined) return false;
    plan.updateService('schedule is gone', { ...service, cron: undefined });
    return true;
  }
  if (service.cron?.schedule !== schedule.text) {
    const cron = { schedule: schedule.text, servedUntil: service.meta.updatedAt };
    plan.updateService('schedule is new', { ...service, cron });
    return true;
  }
  if (service.cron.starting) {
    callOff(subject, schedule, service.cron, tasks);
    return true;
  }
  return serve(subject, schedule, service.cron, tasks);
}

function serve(
  subject: Subject,
  schedule: Schedule,
  cron: CronStatus,
  tasks: readonly Task[],
): boolean {
  const { service, plan, now } = subject;
  const next = nextDue(service, schedule, cron);
  if (next === undefined) return false;
  if (next > now) {
    plan.wake(next);
    return false;
  }
  const last = (lastTime(schedule, cron.servedUntil, now) ?? next) as Instant;
  const served: CronStatus = { ...cron, servedUntil: last };
  if (now - last > (schedule.missed === 'run-once' ? lookBackMs : onTimeMs))
    skip(subject, 'run was missed', served);
  else if (schedule.overlap === 'forbid' && isBusy(subject, tasks))
    skip(subject, 'the run before is not over', served);
  else begin(subject, schedule, { ...served, lastRun: last });
  return true;
}

function skip({ plan, service }: Subject, reason: string, cron: CronStatus): void {
  plan.updateService(reason, { ...service, cron });
}

function begin(subject: Subject, schedule: Schedule, cron: CronStatus): void {
  const { service, revision, plan, now } = subject;
  if (isJob(revision.spec)) {
    const jobStatus = nextJobStatus(service.jobStatus, service.revision, now);
    plan.updateService('run is due', { ...service, cron, jobStatus });
  } else if (callOffFirst(schedule, revision))
    plan.updateService('run is due', { ...service, cron: { ...cron, starting: true } });
  else startReplicas(subject, schedule, cron);
}

/** Whether the run before is not over. */
function isBusy(subject: Subject, tasks: readonly Task[]): boolean {
  const { view, service, revision } = subject;
  if (isJob(revision.spec)) {
    const run = jobRun(view, service);
    return run !== undefined && !isRunOver(run);
  }
  return tasks.some((task) => !isTerminal(task.status.state) && !isUnreachable(view, task));
}

const nextTimes = new WeakMap<Service, number | undefined>();

/** Computed once for each state of the service. */
function nextDue(
  service: Service,
  schedule: Schedule,
  { servedUntil }: CronStatus,
): Instant | undefined {
  if (!nextTimes.has(service)) nextTimes.set(service, nextTime(schedule, servedUntil));
  return nextTimes.get(service) as Instant | undefined;
}
