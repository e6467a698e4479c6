import { isBefore, isTerminal, type StateView, type Task } from '@shoal/state';

/** Which tasks are still on their way somewhere, and which wait because there is no place for them. */
export class Unsettled {
  /** Ids of tasks that something will happen to if time passes. */
  readonly #underWay = new Set<string>();
  readonly #waiting = new Map<string, string>();

  get waiting(): ReadonlyMap<string, string> {
    return this.#waiting;
  }

  look(view: StateView, taskId: string): void {
    const task = view.tasks.get(taskId);
    this.#underWay.delete(taskId);
    this.#waiting.delete(taskId);
    if (task === undefined) return;
    if (isWaiting(task)) this.#waiting.set(taskId, task.status.err);
    else if (isUnderWay(view, task)) this.#underWay.add(taskId);
  }

  /** Ids of the services that have a task under way. */
  services(view: StateView): ReadonlySet<string> {
    const services = new Set<string>();
    for (const id of this.#underWay) {
      const task = view.tasks.get(id);
      if (task !== undefined) services.add(task.serviceId);
    }
    return services;
  }
}

/** True for a task that is meant to run, now or soon, and has not ended. */
export function isLive({ desired, status }: Task): boolean {
  return !isBefore('complete', desired) && !isTerminal(status.state);
}

function isWaiting(task: Task): boolean {
  const { state, err } = task.status;
  return isLive(task) && isBefore(state, 'assigned') && err !== '';
}

function isUnderWay(view: StateView, task: Task): boolean {
  const { state } = task.status;
  if (isTerminal(state)) return false;
  const node = view.nodes.get(task.nodeId);
  if (task.nodeId !== '' && node?.status.state !== 'ready') return false;
  if (!isLive(task)) return !isBefore(state, 'assigned');
  return isBefore(state, 'running') || node?.spec.Availability === 'drain';
}
