import type { Instant } from '@shoal/runtime';
import {
  isJob,
  isTerminal,
  isUpToDate,
  type Node,
  type Revision,
  type Service,
  type StateView,
  type Task,
  taskStateRank,
} from '@shoal/state';
import type { FakeAgent } from '../fake-agent.ts';
import { fits, isHolding, meets, overcommitments, takenOn } from './naive-placement.ts';
import { dependenciesRun, slotsOf } from './naive-policies.ts';
import { isBusy, runsForever } from './specs.ts';
import type { FakeUser } from './user.ts';

/** Tasks that never rest are on their way; each step takes them less than that, milliseconds. */
const restlessMs = 20_000;

/** What is still in the way of "everything is as asked, or says why not"; empty when nothing is. One sentence each. */
export function unconverged(
  view: StateView,
  agents: readonly FakeAgent[],
  user: FakeUser,
  now: Instant,
): readonly string[] {
  return [
    ...lostWrites(view, user),
    ...tasksLeftBehind(view, now),
    ...wrongServices(view),
    ...longHistories(view),
    ...strayContainers(view, agents),
    ...[...view.nodes.values()].flatMap((node) => overcommitments(node, takenOn(view, node.id))),
  ];
}

function lostWrites(view: StateView, user: FakeUser): readonly string[] {
  const lost: string[] = [];
  for (const [name, wanted] of user.acknowledged) {
    if (user.uncertain.has(name)) continue;
    const service = view.services.byName(name);
    const text = wanted && JSON.stringify(wanted.spec);
    const isSame = (revision: Revision | undefined): boolean =>
      (revision && JSON.stringify(revision.spec)) === text;
    const current = service && view.revisions.of(service.id, service.revision);
    // An update that failed was rolled back: then its revision is kept.
    const wasRolledBack = service?.updateStatus?.state.startsWith('rollback') ?? false;
    const isKept = wasRolledBack && [...view.revisions.byService(service?.id ?? '')].some(isSame);
    if (!isSame(current) && !isKept) lost.push(`the acknowledged state of ${name} is lost`);
  }
  return lost;
}

function isGoingOn({ desired }: Task): boolean {
  return taskStateRank[desired] <= taskStateRank.complete;
}

/** Waits for a node, and says truly that there is none. */
function waitsRightly(view: StateView, task: Task): boolean {
  return task.status.state === 'pending' && falseWait(view, task) === undefined;
}

/** What is wrong with a task that waits: it does not say why, or there is a node for it. */
function falseWait(view: StateView, task: Task): string | undefined {
  if (task.status.err === '') return `task ${task.id} waits and does not say why`;
  const revision = view.revisions.of(task.serviceId, task.revision);
  if (revision === undefined) return `task ${task.id} waits for a revision that is gone`;
  for (const node of view.nodes.values()) {
    if (task.nodeId !== '' && node.id !== task.nodeId) continue;
    if (fits(view, node, revision, task) && dependenciesRun(view, revision))
      return `task ${task.id} waits (${task.status.err}) although it fits on ${node.id}`;
  }
  return undefined;
}

function tasksLeftBehind(view: StateView, now: Instant): readonly string[] {
  const wrong: string[] = [];
  for (const task of view.tasks.values()) {
    const { id, status, desired, nodeId } = task;
    const node = view.nodes.get(nodeId);
    const service = view.services.get(task.serviceId);
    if (service === undefined) wrong.push(`task ${id} outlived its service`);
    else if (nodeId !== '' && node === undefined && !isTerminal(status.state))
      wrong.push(`task ${id} is ${status.state} on a node that is gone`);
    else if (isTerminal(status.state)) {
      // What ends on a paused node is not replaced there.
      const isForgotten =
        isGoingOn(task) &&
        status.state !== 'complete' &&
        node?.spec.Availability !== 'pause' &&
        isLate(task, now);
      if (isForgotten) wrong.push(`task ${id} is ${status.state}, and nobody minds`);
    } else if (isRestless(view, task) && !isLate(task, now)) continue;
    else if (!isGoingOn(task)) {
      if (node?.status.state !== 'down')
        wrong.push(`task ${id} is ${status.state}, not ${desired}`);
    } else if (status.state === 'pending') {
      const why = falseWait(view, task);
      if (why !== undefined) wrong.push(why);
    } else if (status.state !== 'running')
      wrong.push(`task ${id} is ${status.state}, and is to be ${desired}`);
  }
  return wrong;
}

/** Nothing was written about it for so long that it is not on its way any more. */
function isLate({ meta }: Task, now: Instant): boolean {
  return meta.updatedAt + restlessMs < now;
}

/** Tasks of images that end by themselves are always on their way. */
function isRestless(view: StateView, { serviceId, revision }: Task): boolean {
  const image = view.revisions.of(serviceId, revision)?.spec.TaskTemplate.ContainerSpec.Image;
  return image !== undefined && !runsForever(image);
}

function wrongServices(view: StateView): readonly string[] {
  return [...view.services.values()].flatMap((service) => {
    const revision = view.revisions.of(service.id, service.revision);
    if (revision === undefined) return [`${service.name} has lost its revision`];
    const tasks = [...view.tasks.byService(service.id)];
    const { Replicated, Global } = revision.spec.Mode;
    const what = isJob(revision.spec)
      ? wrongJob(view, service, tasks)
      : [
          ...unfinishedUpdate(view, service, tasks),
          ...(Replicated === undefined ? [] : wrongSlots(view, service, revision, tasks)),
          ...(Global === undefined ? [] : wrongNodes(view, service, revision, tasks)),
        ];
    return what.map((text) => `${service.name}: ${text}`);
  });
}

/**
 * An update may wait for tasks that cannot be placed where they replace others, and wherever nothing of it has run
 * yet; else it ends.
 */
function unfinishedUpdate(
  view: StateView,
  { revision, updateStatus }: Service,
  tasks: readonly Task[],
): readonly string[] {
  if (!isUpdating({ updateStatus })) return [];
  const others = tasks.filter((task) => task.revision !== revision && task.desired !== 'remove');
  const places = new Set(others.map(placeOf));
  const hasRun = tasks.some(
    (task) => task.revision === revision && task.status.startedAt !== undefined,
  );
  return tasks.some(
    (task) => (places.has(placeOf(task)) || !hasRun) && isGoingOn(task) && waitsRightly(view, task),
  )
    ? []
    : [`its update is still ${updateStatus?.state}`];
}

function isUpdating({ updateStatus }: Pick<Service, 'updateStatus'>): boolean {
  const state = updateStatus?.state;
  return state === 'updating' || state === 'rollback_started';
}

function isHalted({ updateStatus }: Pick<Service, 'updateStatus'>): boolean {
  const state = updateStatus?.state;
  return state === 'paused' || state === 'rollback_paused';
}

function placeOf({ slot, nodeId }: Task): number | string {
  return slot === 0 ? nodeId : slot;
}

function wrongSlots(
  view: StateView,
  service: Service,
  revision: Revision,
  tasks: readonly Task[],
): readonly string[] {
  const wanted = slotsOf(service, revision.spec) ?? 0;
  const kept = tasks.filter(({ desired }) => desired !== 'remove');
  const slots = Map.groupBy(kept, ({ slot }) => slot);
  const wrong = [...slots].flatMap(([slot, members]) =>
    wrongPlace(view, service, revision, members, `slot ${slot}`),
  );
  if (slots.size !== wanted) wrong.push(`${slots.size} slots of ${wanted}`);
  return [...wrong, ...wrongNumber(service, revision, tasks, wanted)];
}

/** The load of the tasks of a service is the same however many there are: it ends at one of its bounds. */
function wrongNumber(
  service: Service,
  { spec }: Revision,
  tasks: readonly Task[],
  slots: number,
): readonly string[] {
  const { 'shoal.autoscale.min': min, 'shoal.autoscale.max': max } = spec.Labels;
  if (max === undefined || slots === 0) return [];
  // What waits for a node is counted as if it would help.
  const running = tasks.filter((task) => isGoingOn(task) && task.status.state === 'running');
  const isWhole = new Set(running.map(({ slot }) => slot)).size === slots;
  const wanted = Number(isBusy(service.id) ? max : min);
  if (!isWhole || !runsForever(spec.TaskTemplate.ContainerSpec.Image) || slots === wanted)
    return [];
  return [`it is to have ${slots} tasks, and its load asks for ${wanted}`];
}

function wrongNodes(
  view: StateView,
  service: Service,
  revision: Revision,
  tasks: readonly Task[],
): readonly string[] {
  const wrong: string[] = [];
  const places = Map.groupBy(tasks, ({ nodeId }) => nodeId);
  for (const node of view.nodes.values()) {
    const members = places.get(node.id) ?? [];
    if (node.spec.Availability === 'pause') continue;
    const where = `node ${node.id}`;
    if (isOpen(node) && meets(node, revision)) {
      if (members.length === 0) wrong.push(`no task on ${where}`);
      else wrong.push(...wrongPlace(view, service, revision, members, where));
    } else if (members.some((task) => isGoingOn(task) && !isTerminal(task.status.state)))
      wrong.push(`a task on ${where}, which does not fit`);
  }
  return wrong;
}

function isOpen({ status, spec }: Node): boolean {
  return status.state === 'ready' && spec.Availability === 'active';
}

/** One slot, or one node of a global service. */
function wrongPlace(
  view: StateView,
  service: Service,
  revision: Revision,
  tasks: readonly Task[],
  where: string,
): readonly string[] {
  const live = tasks.filter(isGoingOn);
  const { Image } = revision.spec.TaskTemplate.ContainerSpec;
  if (live.length === 0) return mayRest(view, revision, tasks) ? [] : [`nothing lives in ${where}`];
  if (!runsForever(Image) || live.some((task) => isRestless(view, task))) return [];
  if (live.some((task) => waitsRightly(view, task))) return [];
  if (live.length > 1) return [`${live.length} tasks live in ${where}`];
  const [task] = live;
  if (task === undefined || task.status.state !== 'running' || task.desired !== 'running')
    return [`${where} is ${task?.status.state}, desired ${task?.desired}`];
  const isSettled = !isHalted(service) && !isUpdating(service);
  if (isSettled && !isUpToDate(view, task) && !staysForWantOfNew(view, service, revision, tasks))
    return [`${where} is out of date`];
  return leavesItsNode(view, task, revision) ? [`${where} is on a node that is drained`] : [];
}

/** A start-first update that goes on after failures leaves the old task where the new one has ended for good. */
function staysForWantOfNew(
  view: StateView,
  service: Service,
  revision: Revision,
  tasks: readonly Task[],
): boolean {
  const made = tasks.filter((task) => task.revision === service.revision);
  return made.some(hasEndedBadly) && mayRest(view, revision, made);
}

/** A drained node keeps a running task only while what is to take over waits, or has failed for good. */
function leavesItsNode(view: StateView, task: Task, revision: Revision): boolean {
  const node = view.nodes.get(task.nodeId);
  if (node?.spec.Availability !== 'drain') return false;
  const order = node.spec.Labels['shoal.drain.order'] ?? revision.spec.Labels['shoal.drain.order'];
  if (order !== 'start-first') return true;
  for (const other of view.tasks.values()) {
    if (isGoingOn(other) && waitsRightly(view, other)) return false;
    if (other.slot === task.slot && other.serviceId === task.serviceId && hasEndedBadly(other))
      return false;
  }
  return true;
}

function hasEndedBadly({ status }: Task): boolean {
  return status.state === 'failed' || status.state === 'rejected' || status.state === 'complete';
}

/** Whether the restart policy lets a place stay empty. */
function mayRest(view: StateView, { spec }: Revision, tasks: readonly Task[]): boolean {
  const policy = spec.TaskTemplate.RestartPolicy;
  const newest = tasks.at(-1);
  if (newest === undefined) return false;
  // The revision that the last task was made of may have asked for the end of it.
  const made = view.revisions.of(newest.serviceId, newest.revision)?.spec.TaskTemplate;
  const policies = [policy, made?.RestartPolicy];
  return policies.some(
    (one) =>
      one?.Condition === 'none' ||
      (one?.Condition === 'on-failure' &&
        tasks.some(({ status }) => status.state === 'complete')) ||
      (one?.MaxAttempts ?? 0) > 0,
  );
}

function wrongJob(view: StateView, service: Service, tasks: readonly Task[]): readonly string[] {
  const { jobStatus } = service;
  if (jobStatus === undefined) return service.cron === undefined ? ['the job never ran'] : [];
  const run = view.revisions.of(service.id, jobStatus.revision);
  if (run === undefined) return [];
  const own = tasks.filter(({ jobIteration }) => jobIteration === jobStatus.iteration);
  const rests = ({ nodeId, status }: Task): boolean =>
    isTerminal(status.state) && view.nodes.get(nodeId)?.spec.Availability === 'pause';
  const live = own.filter(
    (task) =>
      isGoingOn(task) &&
      task.status.state !== 'complete' &&
      !rests(task) &&
      !waitsRightly(view, task),
  );
  const { Image } = run.spec.TaskTemplate.ContainerSpec;
  const policy = run.spec.TaskTemplate.RestartPolicy;
  const endsSomeTime = Image === 'works' || Image === 'ends';
  if (endsSomeTime && service.cron === undefined && live.length > 0)
    return [`${live.length} tasks of the job are not over`];
  const { ReplicatedJob } = run.spec.Mode;
  const mayFail = !endsSomeTime || policy?.Condition === 'none' || (policy?.MaxAttempts ?? 0) > 0;
  if (ReplicatedJob === undefined || mayFail || service.cron !== undefined) return [];
  if (own.some((task) => waitsRightly(view, task))) return [];
  const done = new Set(own.filter(({ status }) => status.state === 'complete').map((t) => t.slot));
  return done.size >= ReplicatedJob.TotalCompletions
    ? []
    : [`${done.size} of ${ReplicatedJob.TotalCompletions} completions`];
}

/**
 * Ended tasks beyond the limit, where nothing needs them any more. An update keeps one that it replaced; one that
 * was halted before its task ran also those by which the attempts to restart are counted.
 */
function longHistories(view: StateView): readonly string[] {
  const limit = view.cluster?.spec.Orchestration.TaskHistoryRetentionLimit ?? 5;
  const wrong: string[] = [];
  for (const service of view.services.values()) {
    const revision = view.revisions.of(service.id, service.revision);
    if (revision === undefined || isJob(revision.spec)) continue;
    const attempts = revision.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
    const most =
      (attempts > 0 ? attempts + 1 : Math.max(1, limit)) +
      Number(isUpdating(service) || isHalted(service));
    const tasks = [...view.tasks.byService(service.id)];
    const places = Map.groupBy(tasks, placeOf);
    for (const [place, members] of places) {
      const over = members.filter(({ status }) => isTerminal(status.state));
      if (members.length > most && over.length > 1)
        wrong.push(`${service.name}: ${members.length} tasks are kept in ${place}, not ${most}`);
    }
  }
  return wrong;
}

function strayContainers(view: StateView, agents: readonly FakeAgent[]): readonly string[] {
  const stray: string[] = [];
  for (const agent of agents) {
    const alive = new Set(agent.alive);
    for (const task of view.tasks.byNode(agent.nodeId)) {
      if (task.status.state === 'running' && !alive.has(task.id) && !isRestless(view, task))
        stray.push(`task ${task.id} is running and its container is not`);
      if (isHolding(task) || isRestless(view, task)) alive.delete(task.id);
    }
    for (const taskId of alive)
      stray.push(`a container runs on ${agent.nodeId} for task ${taskId}, which is over`);
  }
  return stray;
}
