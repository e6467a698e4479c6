import type { Clock, Timer } from '@shoal/runtime';
import type { Replica, ReplicaEvent } from '@shoal/stage';
import type { Task } from '@shoal/state';
import { refreshMs } from './limits.ts';

/** What a follower of a service hears. */
export interface ServiceWatcher {
  /** Tasks that have got a container; each is told once. */
  tasksBegan(tasks: readonly Task[]): void;
  /** Something of the service or its tasks changed, or they are gone. */
  changed(): void;
}

interface Watched {
  readonly watchers: Set<ServiceWatcher>;
  /** Tasks that were told of. */
  known: Set<string>;
}

/** Whether the task has, or had, a container on some node. */
export function hasBegun(task: Task): boolean {
  const hasRun = task.status.container !== undefined || task.status.state === 'running';
  return task.nodeId !== '' && hasRun;
}

/** Looks at the state once for all who follow the log of a service. */
export class ServiceTasks {
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  readonly #touched = new Set<string>();
  readonly #unsubscribe: () => void;
  #due: Timer | undefined;

  constructor(replica: Replica, clock: Clock) {
    this.#replica = replica;
    this.#clock = clock;
    this.#unsubscribe = replica.subscribe((event) => this.#applied(event));
  }

  /** Gives the tasks that have begun already; later ones are told. */
  watch(serviceId: string, watcher: ServiceWatcher): readonly Task[] {
    const begun = this.begun(serviceId);
    const watched = this.#watched.get(serviceId);
    if (watched === undefined) {
      const known = new Set(begun.map(({ id }) => id));
      this.#watched.set(serviceId, { watchers: new Set([watcher]), known });
    } else {
      // All see the same from here on.
      this.#look(serviceId);
      watched.watchers.add(watcher);
    }
    return begun;
  }

  begun(serviceId: string): readonly Task[] {
    return [...this.#replica.view.tasks.byService(serviceId)].filter(hasBegun);
  }

  unwatch(serviceId: string, watcher: ServiceWatcher): void {
    const watched = this.#watched.get(serviceId);
    watched?.watchers.delete(watcher);
    if (watched?.watchers.size === 0) this.#watched.delete(serviceId);
  }

  stop(): void {
    this.#unsubscribe();
    this.#due?.cancel();
    this.#watched.clear();
  }

  #applied(event: ReplicaEvent): void {
    if (this.#watched.size === 0) return;
    if (event.kind === 'reset') for (const id of this.#watched.keys()) this.#touched.add(id);
    else
      for (const change of event.entry.changes) {
        const id =
          change.table === 'task'
            ? (change.after ?? change.before)?.serviceId
            : change.table === 'service'
              ? change.id
              : undefined;
        if (id !== undefined && this.#watched.has(id)) this.#touched.add(id);
      }
    if (this.#touched.size === 0) return;
    this.#due ??= this.#clock.after(refreshMs, () => {
      this.#due = undefined;
      const touched = [...this.#touched];
      this.#touched.clear();
      for (const id of touched) this.#look(id);
    });
  }

  #look(serviceId: string): void {
    const watched = this.#watched.get(serviceId);
    if (watched === undefined) return;
    const begun = this.begun(serviceId);
    const fresh = begun.filter(({ id }) => !watched.known.has(id));
    watched.known = new Set(begun.map(({ id }) => id));
    for (const watcher of [...watched.watchers]) {
      if (fresh.length > 0) watcher.tasksBegan(fresh);
      watcher.changed();
    }
  }
}
