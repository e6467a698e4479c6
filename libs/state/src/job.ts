import { matchesConstraints, parseConstraints } from './constraint.ts';
import { parseSchedule } from './labels/cron.ts';
import type { JobStatus, Node, Revision, Service, Task } from './objects.ts';
import { isSeenRunning } from './seen-running.ts';
import type { ServiceSpec } from './spec.ts';
import { enforcedErr, isBefore } from './task-state.ts';
import type { StateView } from './view.ts';

/** True for services whose tasks are to end: replicated and global jobs. */
export function isJob({ Mode }: ServiceSpec): boolean {
  return Mode.ReplicatedJob !== undefined || Mode.GlobalJob !== undefined;
}

/** The run that is asked for next, beside one that may have been asked for before. */
export function nextJobStatus(
  before: JobStatus | undefined,
  revision: number,
  lastExecution: JobStatus['lastExecution'],
): JobStatus {
  return { iteration: before === undefined ? 0 : before.iteration + 1, revision, lastExecution };
}

/**
 * What creating a service with `to`, or changing it from `from`, means for its runs: every change of a job
 * runs it again. One with a schedule waits for that, unless the update is forced.
 */
export function jobStatusAfter(
  before: JobStatus | undefined,
  from: ServiceSpec | undefined,
  to: Pick<Revision, 'number' | 'spec'>,
  now: JobStatus['lastExecution'],
): JobStatus | undefined {
  if (!isJob(to.spec)) return undefined;
  const isForced =
    from !== undefined && from.TaskTemplate.ForceUpdate !== to.spec.TaskTemplate.ForceUpdate;
  if (!isForced && parseSchedule(to.spec.Labels).kind === 'schedule') return before;
  return nextJobStatus(before, to.number, now);
}

/** How one slot of a replicated job, or one node of a global job, stands in a run. */
export type JobStanding =
  /** A task is on its way, or runs. */
  | 'live'
  | 'complete'
  /** The last try failed for good. */
  | 'given-up';

/** One run of a job, read off its tasks. */
export interface JobRun {
  readonly iteration: number;
  /** What the run goes by. */
  readonly revision: Revision;
  /** By slot number (replicated job) or node id (global job); what never had a task is not in it. */
  readonly standings: ReadonlyMap<number | string, JobStanding>;
  /** Slots or nodes that still need a task of this run, lowest or oldest first. */
  missing(): Iterable<number | string>;
}

/** The run that is on or was last; undefined for services that are no jobs, and before the first run. */
export function jobRun(view: StateView, service: Service): JobRun | undefined {
  const { id, jobStatus } = service;
  if (jobStatus === undefined) return undefined;
  const revision =
    view.revisions.of(id, jobStatus.revision) ?? view.revisions.of(id, service.revision);
  if (revision === undefined || !isJob(revision.spec)) return undefined;
  const { iteration } = jobStatus;
  const total = revision.spec.Mode.ReplicatedJob?.TotalCompletions;
  const tasks = [...view.tasks.byService(id)].filter((task) => task.jobIteration === iteration);
  const groups = Map.groupBy<number | string, Task>(tasks, (task) =>
    total === undefined ? task.nodeId : task.slot,
  );
  const standings = new Map<number | string, JobStanding>();
  for (const [key, members] of groups) {
    const standing = standingOf(revision, members);
    if (standing !== undefined) standings.set(key, standing);
  }
  const missing =
    total === undefined
      ? () => missingNodes(view, service, revision, standings)
      : () => missingSlots(total, standings);
  return { iteration, revision, standings, missing };
}

/** Undefined where there is to be another try. `tries` are in the order of their creation. */
function standingOf(revision: Revision, tries: readonly Task[]): JobStanding | undefined {
  if (tries.some(({ status }) => status.state === 'complete')) return 'complete';
  // One that ended and is not called off waits for the orchestrator to try again or give up.
  if (tries.some(({ desired }) => !isBefore('complete', desired))) return 'live';
  const newest = tries.at(-1);
  return newest === undefined || mayRetryJob(revision, tries, newest) ? undefined : 'given-up';
}

const nanosecondsPerMillisecond = 1_000_000;

/**
 * Whether a job tries again in a slot where `ended` did not complete. Only failures count against the limit of
 * attempts, not moves; with a window, only those since one that had run for so long, whatever the delay
 * between them. The last ones, one more than the limit, are enough to tell. A job whose condition is `none` is
 * not run twice, but one that never began may go elsewhere.
 */
export function mayRetryJob({ spec }: Revision, tries: readonly Task[], ended: Task): boolean {
  const policy = spec.TaskTemplate.RestartPolicy;
  if (!hasJobTaskFailed(ended) && ended.status.startedAt === undefined) return true;
  if (policy?.Condition === 'none') return false;
  const attemptsMax = policy?.MaxAttempts ?? 0;
  if (attemptsMax === 0) return true;
  const windowMs = (policy?.Window ?? 0) / nanosecondsPerMillisecond;
  const failures = tries.filter(hasJobTaskFailed);
  const lasted = windowMs === 0 ? -1 : failures.findLastIndex((task) => ranMs(task) >= windowMs);
  // What follows one that lasted are restarts, as is what follows the first.
  const restarts = failures.length - 1 - Math.max(0, lasted);
  return restarts < attemptsMax;
}

function ranMs({ status: { startedAt, at } }: Task): number {
  return startedAt === undefined ? 0 : at - startedAt;
}

/** One that lost its place, because its node no longer suited it or another one got the room, has not. */
export function hasJobTaskFailed({ status, displaced }: Task): boolean {
  const { state, err } = status;
  if (err === enforcedErr || displaced !== undefined) return false;
  return state === 'failed' || state === 'rejected';
}

function* missingSlots(total: number, standings: JobRun['standings']): IterableIterator<number> {
  for (let slot = 0; slot < total; slot += 1) if (!standings.has(slot)) yield slot;
}

/** Nodes that join later get the task too; but a run by schedule is for those that were there. */
function* missingNodes(
  view: StateView,
  service: Service,
  revision: Revision,
  standings: JobRun['standings'],
): IterableIterator<string> {
  const meets = constraintsCheck(revision);
  const { cron, jobStatus } = service;
  const joinedUntil =
    cron === undefined ? Number.POSITIVE_INFINITY : (jobStatus?.lastExecution ?? 0);
  for (const node of view.nodes.values())
    if (
      !standings.has(node.id) &&
      node.status.state === 'ready' &&
      node.spec.Availability === 'active' &&
      node.meta.createdAt <= joinedUntil &&
      meets(node)
    )
      yield node.id;
}

/** Whether a task of a global job may go on where it is: paused nodes keep what they have. */
export function keepsJobTasks(revision: Revision): (node: Node | undefined) => boolean {
  const meets = constraintsCheck(revision);
  return (node) =>
    node !== undefined &&
    node.status.state !== 'down' &&
    node.spec.Availability !== 'drain' &&
    meets(node);
}

function constraintsCheck({ spec }: Revision): (node: Node) => boolean {
  const parsed = parseConstraints(spec.TaskTemplate.Placement?.Constraints ?? []);
  if (parsed.kind === 'invalid') return () => true;
  return (node) => matchesConstraints(parsed.constraints, node);
}

/** True when nothing of the run is left to do. A job that may do nothing at a time has nothing to do. */
export function isRunOver({ revision, standings, missing }: JobRun): boolean {
  for (const standing of standings.values()) if (standing === 'live') return false;
  if (revision.spec.Mode.ReplicatedJob?.MaxConcurrent === 0) return true;
  for (const _ of missing()) return false;
  return true;
}

/** What `docker service ls` says of a job: `running/desired (completed/…)`. */
export interface JobCounts {
  readonly running: number;
  /** Replicated job: what may run at a time. Global job: tasks that are still to complete. */
  readonly desired: number;
  readonly completed: number;
}

/** Swarm's numbers for the service status of a job. */
export function jobCounts(view: StateView, service: Service, spec: ServiceSpec): JobCounts {
  let running = 0;
  let live = 0;
  let completed = 0;
  for (const task of view.tasks.byService(service.id)) {
    if (task.jobIteration !== service.jobStatus?.iteration) continue;
    if (isSeenRunning(view, task)) running += 1;
    if (task.status.state === 'complete') completed += 1;
    else if (task.desired === 'complete') live += 1;
  }
  return { running, desired: spec.Mode.ReplicatedJob?.MaxConcurrent ?? live, completed };
}
