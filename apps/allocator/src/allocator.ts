import type { Instant } from '@shoal/runtime';
import type { ChangeSet, Decision, Stage } from '@shoal/stage';
import {
  type AppliedChange,
  type Change,
  isBefore,
  type Service,
  type StateView,
  type Task,
} from '@shoal/state';
import { allocateEndpoint, isEndpointAllocated, withEndpoint } from './endpoint.ts';
import { networkObstacle } from './networks.ts';

/** Tasks written in one transaction. */
export const tasksPerTransaction = 100;

/**
 * Gives services their published ports and lets a new task go on to the scheduler once it has all it
 * needs of the network; until then the task says what it waits for. Decisions are keyed by service.
 */
export function createAllocator(): Stage {
  return {
    name: 'allocator',
    *step(view, changed, now, mine) {
      for (const [serviceId, tasks] of tasksToLookAt(view, changed))
        if (mine(serviceId)) yield* allocate(view, serviceId, tasks, now);
    },
  };
}

/** Service id → its new tasks; services whose endpoint may need work are there without tasks too. */
function tasksToLookAt(view: StateView, changed: ChangeSet): Map<string, Set<Task>> {
  const found = new Map<string, Set<Task>>();
  const note = (serviceId: string): Set<Task> => {
    const tasks = found.get(serviceId) ?? new Set();
    found.set(serviceId, tasks);
    return tasks;
  };
  const noteAll = (serviceId: string): void => {
    const tasks = note(serviceId);
    for (const task of view.tasks.byService(serviceId)) if (isOurs(task)) tasks.add(task);
  };
  const networksChanged = changed.changes.some(({ table }) => table === 'network');
  if (changed.everything) for (const { id } of view.services.values()) note(id);
  if (changed.everything || networksChanged)
    for (const task of view.tasks.byState('new')) if (isOurs(task)) note(task.serviceId).add(task);
  for (const serviceId of changed.due) noteAll(serviceId);
  for (const change of changed.changes) {
    if (change.table === 'service' && isEndpointConcerned(change)) noteAll(change.id);
    if (change.table !== 'task') continue;
    const task = view.tasks.get(change.id);
    if (task === undefined || !isOurs(task)) continue;
    if (change.before === undefined || isCalledOff(task)) note(task.serviceId).add(task);
  }
  return found;
}

/** A new task that is to go on, or to end here. Those that are to be removed the orchestrator deletes. */
function isOurs(task: Task): boolean {
  return task.status.state === 'new' && (!isBefore('complete', task.desired) || isCalledOff(task));
}

function isCalledOff({ status, desired }: Task): boolean {
  return status.state === 'new' && desired === 'shutdown';
}

function isEndpointConcerned({ before, after }: AppliedChange & { table: 'service' }): boolean {
  return before?.revision !== after?.revision || before?.endpoint !== after?.endpoint;
}

function* allocate(
  view: StateView,
  serviceId: string,
  tasks: ReadonlySet<Task>,
  now: Instant,
): Iterable<Decision> {
  const service = view.services.get(serviceId);
  if (service === undefined) return;
  const obstacle = yield* allocateService(view, service);
  if (obstacle === undefined) return;
  const changes = [...tasks].flatMap((task) => advance(view, task, obstacle, now) ?? []);
  for (let from = 0; from < changes.length; from += tasksPerTransaction)
    yield {
      kind: 'transaction',
      key: serviceId,
      reason: 'pending task scheduling',
      changes: changes.slice(from, from + tasksPerTransaction),
    };
}

/** What the service's tasks wait for, empty for nothing; undefined while an answer is being written. */
function* allocateService(
  view: StateView,
  service: Service,
): Generator<Decision, string | undefined> {
  if (isEndpointAllocated(service)) return '';
  const revision = view.revisions.of(service.id, service.revision);
  if (revision === undefined) return undefined;
  const allocation = allocateEndpoint(revision);
  if (allocation.kind === 'waits') return allocation.message;
  yield {
    kind: 'transaction',
    key: service.id,
    reason: 'endpoint allocated',
    changes: [withEndpoint(service, allocation.endpoint)],
  };
  return undefined;
}

/** Lets the task go on or ends it, or notes why it waits; undefined when the note is there already. */
function advance(
  view: StateView,
  task: Task,
  serviceObstacle: string,
  now: Instant,
): Change | undefined {
  if (isCalledOff(task)) {
    const status = { ...task.status, state: 'shutdown' as const, at: now, err: '' };
    return { op: 'update', table: 'task', object: { ...task, status } };
  }
  const revision = view.revisions.of(task.serviceId, task.revision);
  if (revision === undefined) return undefined;
  const err = serviceObstacle === '' ? networkObstacle(view, revision) : serviceObstacle;
  if (err !== '' && err === task.status.err) return undefined;
  const status =
    err === ''
      ? {
          ...task.status,
          state: 'pending' as const,
          message: 'pending task scheduling',
          at: now,
          err,
        }
      : { ...task.status, at: now, err };
  return { op: 'update', table: 'task', object: { ...task, status } };
}
