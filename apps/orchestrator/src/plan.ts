import { type Instant, invariant } from '@shoal/runtime';
import type { Decision } from '@shoal/stage';
import type { Change, Service, Task, TaskState } from '@shoal/state';

/**
 * Creates and deletes of one transaction. They can hardly be refused; updates can, because agents write
 * tasks too, and therefore each goes alone.
 */
export const changesPerTransaction = 200;

interface Batch {
  readonly reason: string;
  readonly changes: Change[];
}

/** What is to be done for one service. Each object is written at most once in a step. */
export class Plan {
  readonly #key: string;
  readonly #transactions: Batch[] = [];
  readonly #open = new Map<string, Batch>();
  readonly #touched = new Set<string>();
  #wakeAt: Instant | undefined;

  constructor(serviceId: string) {
    this.#key = serviceId;
  }

  isTouched(task: Task): boolean {
    return this.#touched.has(task.id);
  }

  create(reason: string, task: Task): void {
    this.#batch(reason, { op: 'create', table: 'task', object: task });
  }

  deleteTask(reason: string, task: Task): void {
    this.#touch(task.id);
    this.#batch(reason, { op: 'delete', table: 'task', id: task.id, version: task.meta.version });
  }

  deleteRevision(reason: string, revision: { id: string; meta: Task['meta'] }): void {
    const { id, meta } = revision;
    this.#batch(reason, { op: 'delete', table: 'revision', id, version: meta.version });
  }

  setDesired(reason: string, task: Task, desired: TaskState): void {
    this.#touch(task.id);
    const object: Task = { ...task, desired };
    this.#transactions.push({ reason, changes: [{ op: 'update', table: 'task', object }] });
  }

  /** Stops `old` and creates `replacement`, both or neither. */
  replace(reason: string, old: readonly Task[], replacement: Task): void {
    const changes: Change[] = [];
    for (const task of old) {
      this.#touch(task.id);
      changes.push({ op: 'update', table: 'task', object: { ...task, desired: 'shutdown' } });
    }
    changes.push({ op: 'create', table: 'task', object: replacement });
    this.#transactions.push({ reason, changes });
  }

  updateService(reason: string, service: Service): void {
    this.#touch(service.id);
    this.#transactions.unshift({
      reason,
      changes: [{ op: 'update', table: 'service', object: service }],
    });
  }

  /** The service is to be looked at again at `at` at the latest. */
  wake(at: Instant): void {
    if (this.#wakeAt === undefined || at < this.#wakeAt) this.#wakeAt = at;
  }

  *decisions(): IterableIterator<Decision> {
    for (const { reason, changes } of this.#transactions)
      yield { kind: 'transaction', key: this.#key, reason, changes };
    if (this.#wakeAt !== undefined) yield { kind: 'wake', key: this.#key, at: this.#wakeAt };
  }

  #batch(reason: string, change: Change): void {
    let batch = this.#open.get(reason);
    if (batch === undefined || batch.changes.length >= changesPerTransaction) {
      batch = { reason, changes: [] };
      this.#open.set(reason, batch);
      this.#transactions.push(batch);
    }
    batch.changes.push(change);
  }

  #touch(id: string): void {
    invariant(!this.#touched.has(id), 'an object is written twice in one step', { id });
    this.#touched.add(id);
  }
}
