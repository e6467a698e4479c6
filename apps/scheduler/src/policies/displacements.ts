import type { Instant } from '@shoal/runtime';
import { isTerminal, type StateView, type Task } from '@shoal/state';

/** A task of higher priority that waits for others to stop. */
interface Displacement {
  /** Id of the task that the room is for. */
  readonly by: string;
  readonly nodeId: string;
}

/**
 * Tasks that were told to give way, while they stop, and those that happened lately. A cache of the
 * state, like the ledger.
 */
export class Displacements {
  /** Id of a task that is stopping → for whom. */
  readonly #stopping = new Map<string, Displacement>();
  /** Node id → ids of the tasks that are to get room there. */
  readonly #rooms = new Map<string, Set<string>>();
  /** Id of a displaced task → when it was. */
  readonly #times = new Map<string, Instant>();
  #view: StateView | undefined;

  rebuild(view: StateView): void {
    this.#view = view;
    this.#stopping.clear();
    this.#rooms.clear();
    this.#times.clear();
    for (const task of view.tasks.values()) if (task.displaced !== undefined) this.#note(task);
  }

  apply(before: Task | undefined, after: Task | undefined): void {
    if (before?.displaced !== undefined) this.#forget(before);
    if (after?.displaced !== undefined) this.#note(after);
  }

  /** Tasks that have yet to stop so that `taskId` may have their room. */
  stoppingFor(taskId: string): number {
    let count = 0;
    for (const { by, nodeId } of this.#stopping.values())
      if (by === taskId && this.#isThere(nodeId)) count += 1;
    return count;
  }

  /** Nodes where tasks are still stopping for `taskId`. */
  *nodesFor(taskId: string): Iterable<string> {
    for (const [nodeId, ids] of this.#rooms)
      if (ids.has(taskId) && this.#isThere(nodeId)) yield nodeId;
  }

  /** Whether nobody is giving way at the moment, as nearly always. */
  get isIdle(): boolean {
    for (const nodeId of this.#rooms.keys()) if (this.#isThere(nodeId)) return false;
    return true;
  }

  /** Waiting tasks that are about to get room on the node. */
  *awaiting(nodeId: string): Iterable<Task> {
    for (const id of this.#rooms.get(nodeId) ?? []) {
      const task = this.#view?.tasks.get(id);
      if (task?.status.state === 'pending' && task.desired !== 'shutdown') yield task;
    }
  }

  /** How many were displaced at or after `since`, and when the oldest of them was. */
  lately(since: Instant): { readonly count: number; readonly oldest: Instant | undefined } {
    let count = 0;
    let oldest: Instant | undefined;
    for (const at of this.#times.values()) {
      if (at < since) continue;
      count += 1;
      if (oldest === undefined || at < oldest) oldest = at;
    }
    return { count, oldest };
  }

  /** Nobody waits for what stops on a node that is down or gone: it may never say so. */
  #isThere(nodeId: string): boolean {
    const node = this.#view?.nodes.get(nodeId);
    return node !== undefined && node.status.state !== 'down';
  }

  #note(task: Task): void {
    const { id, nodeId, displaced, status } = task;
    if (displaced === undefined) return;
    this.#times.set(id, displaced.at);
    if (isTerminal(status.state)) return;
    this.#stopping.set(id, { by: displaced.by, nodeId });
    const room = this.#rooms.get(nodeId);
    if (room === undefined) this.#rooms.set(nodeId, new Set([displaced.by]));
    else room.add(displaced.by);
  }

  #forget({ id, nodeId }: Task): void {
    this.#times.delete(id);
    const by = this.#stopping.get(id)?.by;
    if (by === undefined) return;
    this.#stopping.delete(id);
    for (const other of this.#stopping.values())
      if (other.by === by && other.nodeId === nodeId) return;
    const room = this.#rooms.get(nodeId);
    room?.delete(by);
    if (room?.size === 0) this.#rooms.delete(nodeId);
  }
}
