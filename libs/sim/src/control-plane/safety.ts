import type { Instant } from '@shoal/runtime';
import {
  drainSettings,
  type Node,
  type Revision,
  type Service,
  type StateView,
  sameTask,
  type Task,
  taskStateRank,
} from '@shoal/state';
import { FailureRatio } from './failure-ratio.ts';
import { isHolding, overcommitments, takenOn } from './naive-placement.ts';
import { slotsOf } from './naive-policies.ts';

/** What has been seen, for floors: runs in which nothing happened prove nothing. */
export interface Seen {
  tasks: number;
  failures: number;
  updatesCompleted: number;
  updatesPaused: number;
  rollbacksStarted: number;
  nodesLost: number;
  gentleMoves: number;
  scaledUp: number;
  scaledDown: number;
  completions: number;
  cronRuns: number;
}

/** How old the state may be by which a stage has decided, milliseconds: as long as messages may be under way, there and back. */
const staleMsMax = 3_000;

/** Looks at every state that the log goes through, and collects what breaks a rule. */
export class SafetyCheck {
  readonly violations: string[] = [];
  readonly seen: Seen = {
    tasks: 0,
    failures: 0,
    updatesCompleted: 0,
    updatesPaused: 0,
    rollbacksStarted: 0,
    nodesLost: 0,
    gentleMoves: 0,
    scaledUp: 0,
    scaledDown: 0,
    completions: 0,
    cronRuns: 0,
  };
  readonly #tasks = new Map<string, Task>();
  readonly #nodes = new Map<string, Node>();
  readonly #services = new Map<string, Service>();
  readonly #ratio = new FailureRatio();
  /** When each node was last seen down. */
  readonly #down = new Map<string, Instant>();
  #index = 0;

  /** A restarted log passes states a second time; those are left out. */
  look(view: StateView, now: Instant): void {
    if (view.index <= this.#index) return;
    this.#index = view.index;
    for (const { id, status } of view.nodes.values())
      if (status.state === 'down') this.#down.set(id, now);
    const begun = new Map<string, Task[]>();
    for (const task of view.tasks.values()) {
      const before = this.#tasks.get(task.id);
      if (before === task) continue;
      this.#tasks.set(task.id, task);
      this.#count(before, task);
      this.#moved(before, task);
      this.#drained(view, before, task, now);
      if (isHolding(task) && (before === undefined || !isHolding(before))) {
        const list = begun.get(task.nodeId);
        if (list === undefined) begun.set(task.nodeId, [task]);
        else list.push(task);
      }
    }
    for (const [nodeId, tasks] of begun) this.#placed(view, nodeId, tasks);
    this.violations.push(...crowdedSlots(view), ...this.#ratio.look(view, now));
    this.#lookAtServices(view);
    this.#lookAtNodes(view);
    for (const id of this.#tasks.keys())
      if (view.tasks.get(id) === undefined) this.#tasks.delete(id);
  }

  #count(before: Task | undefined, { status }: Task): void {
    if (before === undefined) this.seen.tasks += 1;
    if (before?.status.state === status.state) return;
    if (status.state === 'failed' || status.state === 'rejected') this.seen.failures += 1;
    if (status.state === 'complete') this.seen.completions += 1;
  }

  #moved(before: Task | undefined, task: Task): void {
    const { id, status, desired } = task;
    const isBad = status.state === 'failed' || status.state === 'rejected';
    if (isBad && status.err === '') this.violations.push(`task ${id} does not say why it ended`);
    if (before === undefined) return;
    if (taskStateRank[status.state] < taskStateRank[before.status.state])
      this.violations.push(`task ${id} went from ${before.status.state} back to ${status.state}`);
    if (taskStateRank[desired] < taskStateRank[before.desired])
      this.violations.push(`task ${id} is to be ${desired} after ${before.desired}`);
    if (before.nodeId !== '' && before.nodeId !== task.nodeId)
      this.violations.push(`task ${id} moved from one node to another`);
  }

  /** A task that leaves its node gently is called off only when another one of its slot has run. */
  #drained(view: StateView, before: Task | undefined, task: Task, now: Instant): void {
    if (before?.desired !== 'running' || task.desired !== 'shutdown') return;
    if (task.status.state !== 'running') return;
    const service = view.services.get(task.serviceId);
    const current = service && view.revisions.of(service.id, service.revision);
    const made = view.revisions.of(task.serviceId, task.revision);
    const node = view.nodes.get(task.nodeId);
    if (current?.spec.Mode.Replicated === undefined || made === undefined) return;
    // Beside its data there is no other place for it.
    if ((current.spec.TaskTemplate.ContainerSpec.Mounts ?? []).length > 0) return;
    if (node?.spec.Availability !== 'drain') return;
    // Who decided may not have seen yet that it is back.
    const downAt = this.#down.get(node.id);
    if (downAt !== undefined && now - downAt <= staleMsMax) return;
    if (!sameTask(made, current) || !leavesGently(node, current, now)) return;
    this.seen.gentleMoves += 1;
    for (const mate of view.tasks.bySlot(task.serviceId, task.slot))
      if (mate.id !== task.id && mate.status.startedAt !== undefined) return;
    this.violations.push(`task ${task.id} left its drained node before another one ran`);
  }

  #placed(view: StateView, nodeId: string, begun: readonly Task[]): void {
    const node = view.nodes.get(nodeId);
    if (node === undefined) return;
    const taken = takenOn(view, nodeId);
    this.violations.push(...overcommitments(node, taken));
    for (const [serviceId, tasks] of Map.groupBy(begun, (task) => task.serviceId)) {
      const limits = tasks.map(({ revision }) =>
        maxReplicas(view.revisions.of(serviceId, revision)),
      );
      const most = Math.max(...limits);
      const count = taken.replicas.get(serviceId) ?? 0;
      if (count > most)
        this.violations.push(`${count} tasks of ${serviceId} on ${nodeId}, at most ${most} may be`);
    }
  }

  #lookAtServices(view: StateView): void {
    for (const service of view.services.values()) {
      const before = this.#services.get(service.id);
      if (before === service) continue;
      this.#services.set(service.id, service);
      if (before !== undefined) this.#ranOnTime(before, service);
      this.#scaled(view, before, service);
      const state = service.updateStatus?.state;
      if (before?.updateStatus?.state === state) continue;
      if (state === 'completed') this.seen.updatesCompleted += 1;
      if (state === 'paused') this.seen.updatesPaused += 1;
      if (state === 'rollback_started') this.seen.rollbacksStarted += 1;
    }
  }

  /** By load a service never leaves the bounds that it is given. */
  #scaled(view: StateView, before: Service | undefined, service: Service): void {
    const replicas = service.scaling?.replicas;
    if (before?.revision !== service.revision || before.scaling?.replicas === replicas) return;
    const spec = view.revisions.of(service.id, service.revision)?.spec;
    const asked = spec?.Mode.Replicated?.Replicas ?? 0;
    if (spec === undefined || replicas === undefined || asked === 0) return;
    const { 'shoal.autoscale.min': min, 'shoal.autoscale.max': max } = spec.Labels;
    if (!(replicas >= Number(min) && replicas <= Number(max)))
      this.violations.push(`${service.name} is scaled to ${replicas}, of ${min} to ${max}`);
    const was = slotsOf(before, spec) ?? 0;
    if (replicas > was) this.seen.scaledUp += 1;
    if (replicas < was) this.seen.scaledDown += 1;
  }

  /** What only the schedule can have started has a time of its own, later than the one before. */
  #ranOnTime(before: Service, { id, revision, jobStatus, cron }: Service): void {
    if (before.revision !== revision || before.cron === undefined || cron === undefined) return;
    if (before.jobStatus === undefined || before.jobStatus.iteration === jobStatus?.iteration)
      return;
    this.seen.cronRuns += 1;
    if ((cron.lastRun ?? 0) <= (before.cron.lastRun ?? 0))
      this.violations.push(`service ${id} ran twice for ${cron.lastRun}`);
  }

  #lookAtNodes(view: StateView): void {
    for (const node of view.nodes.values()) {
      const before = this.#nodes.get(node.id);
      if (before === node) continue;
      this.#nodes.set(node.id, node);
      if (node.status.state === 'down' && before?.status.state !== 'down') this.seen.nodesLost += 1;
    }
  }
}

function maxReplicas(revision: Revision | undefined): number {
  const most = revision?.spec.TaskTemplate.Placement?.MaxReplicas ?? 0;
  return most === 0 ? Number.POSITIVE_INFINITY : most;
}

/** Whether the node's labels, or else the service's, ask for start-first, and the deadline is not near. */
function leavesGently(node: Node, { spec }: Revision, now: Instant): boolean {
  const ofNode = drainSettings(node.spec.Labels);
  const ofService = drainSettings(spec.Labels);
  if ((ofNode.order ?? ofService.order) !== 'start-first') return false;
  const deadlineMs = ofNode.deadlineMs ?? ofService.deadlineMs;
  // The clock of the one who decides may be ahead of what the log has.
  return deadlineMs === undefined || (node.drain?.since ?? now) + deadlineMs > now + 1_000;
}

/** Never two tasks that run and are meant to run in one slot; two while the new one is to start first. */
export function crowdedSlots(view: StateView): readonly string[] {
  const running = new Map<string, Task[]>();
  for (const task of view.tasks.byState('running')) {
    if (taskStateRank[task.desired] > taskStateRank.complete) continue;
    const place = task.slot === 0 && task.jobIteration === undefined ? task.nodeId : task.slot;
    const run = task.jobIteration === undefined ? '' : `run ${task.jobIteration} on ${task.nodeId}`;
    const slot = `${task.serviceId}/${place}/${run}`;
    running.set(slot, [...(running.get(slot) ?? []), task]);
  }
  const crowded: string[] = [];
  for (const [slot, tasks] of running) {
    if (tasks.length < 2) continue;
    const most = tasks.some((task) => startsFirst(view, task)) ? 2 : 1;
    if (tasks.length > most)
      crowded.push(
        `${tasks.length} tasks run in slot ${slot}: ${tasks.map(({ id }) => id).join()}`,
      );
  }
  return crowded;
}

function startsFirst(view: StateView, task: Task): boolean {
  // The orders of the last updates may differ: any that starts first lets two run for a while.
  for (const { spec } of view.revisions.byService(task.serviceId))
    if (
      spec.UpdateConfig?.Order === 'start-first' ||
      spec.RollbackConfig?.Order === 'start-first' ||
      spec.Labels['shoal.drain.order'] === 'start-first' ||
      spec.Labels['shoal.rebalance'] === 'true'
    )
      return true;
  for (const { spec } of view.nodes.values())
    if (spec.Labels['shoal.drain.order'] === 'start-first') return true;
  return false;
}
