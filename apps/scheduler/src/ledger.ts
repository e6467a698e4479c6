import type { Instant } from '@shoal/runtime';
import {
  type AppliedChange,
  countsAsReplica,
  revisionId,
  type StateView,
  type Task,
} from '@shoal/state';

/** How far back failures make a node suspect, milliseconds. Swarm's value. */
export const failureWindowMs = 5 * 60_000;
/**
 * So many recent failures of one revision make a node suspect. Swarm remembers 5; here they are read
 * from the task history, which by default keeps 4 ended tasks of a slot.
 */
export const failuresThatMakeSuspect = 4;

class Load {
  tasks = 0;
  readonly byService = new Map<string, number>();
  /** Revision id → task id → when it failed. */
  readonly failures = new Map<string, Map<string, Instant>>();
}

function failedOnItsNode({ nodeId, status, slot }: Task): boolean {
  return nodeId !== '' && slot !== 0 && (status.state === 'failed' || status.state === 'rejected');
}

/**
 * How many active tasks each node has, by service, and what failed there. A cache of the state: kept up
 * to date from changes, rebuilt from the whole whenever asked.
 */
export class Ledger {
  readonly #nodes = new Map<string, Load>();

  rebuild(view: StateView): void {
    this.#nodes.clear();
    for (const task of view.tasks.values()) this.#count(task, 1);
  }

  apply(change: AppliedChange): void {
    if (change.table !== 'task') return;
    if (change.before !== undefined) this.#count(change.before, -1);
    if (change.after !== undefined) this.#count(change.after, 1);
  }

  tasks(nodeId: string): number {
    return this.#nodes.get(nodeId)?.tasks ?? 0;
  }

  tasksOf(nodeId: string, serviceId: string): number {
    return this.#nodes.get(nodeId)?.byService.get(serviceId) ?? 0;
  }

  /** Failures of the revision on the node within the window; 0 while too few to be suspect. */
  failures(nodeId: string, revision: string, now: Instant): number {
    let recent = 0;
    for (const at of this.#nodes.get(nodeId)?.failures.get(revision)?.values() ?? [])
      if (at > now - failureWindowMs) recent += 1;
    return recent >= failuresThatMakeSuspect ? recent : 0;
  }

  #count(task: Task, by: 1 | -1): void {
    const active = countsAsReplica(task);
    const failed = failedOnItsNode(task);
    if (!active && !failed) return;
    const load = this.#nodes.get(task.nodeId) ?? new Load();
    this.#nodes.set(task.nodeId, load);
    if (active) countActive(load, task.serviceId, by);
    else countFailure(load, task, by);
    if (load.tasks === 0 && load.failures.size === 0) this.#nodes.delete(task.nodeId);
  }
}

function countActive(load: Load, serviceId: string, by: 1 | -1): void {
  load.tasks += by;
  const own = (load.byService.get(serviceId) ?? 0) + by;
  if (own === 0) load.byService.delete(serviceId);
  else load.byService.set(serviceId, own);
}

function countFailure(load: Load, task: Task, by: 1 | -1): void {
  const key = revisionId(task.serviceId, task.revision);
  const times = load.failures.get(key) ?? new Map<string, Instant>();
  if (by === 1) times.set(task.id, task.status.at);
  else times.delete(task.id);
  if (times.size === 0) load.failures.delete(key);
  else load.failures.set(key, times);
}
