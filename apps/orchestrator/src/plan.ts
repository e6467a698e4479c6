import { type Instant, invariant } from '@shoal/runtime';
import type { Decision } from '@shoal/stage';
import type { Change, Revision, Service, Task, TaskState, TaskStatus } from '@shoal/state';
import type { Place } from './task.ts';

/**
 * Creates and deletes of one transaction. They can hardly be refused; updates can, because agents write
 * tasks too, and therefore each goes alone.
 */
export const changesPerTransaction = 200;

interface Batch {
  readonly reason: string;
  readonly changes: Change[];
}

/** Moves of tasks away from lost nodes, by node, so that those of one node can be one transaction. */
export type Moves = Map<string, Change[][]>;

/** What is to be done for one service. Each object is written at most once in a step. */
export class Plan {
  readonly #key: string;
  readonly #transactions: Batch[] = [];
  readonly #open = new Map<string, Batch>();
  readonly #touched = new Set<string>();
  readonly #created = new Set<string>();
  readonly #moves: Moves | undefined;
  #wakeAt: Instant | undefined;

  /** With `moves`, what leaves lost nodes goes there instead. */
  constructor(serviceId: string, moves?: Moves) {
    this.#key = serviceId;
    this.#moves = moves;
  }

  isTouched(task: Task): boolean {
    return this.#touched.has(task.id);
  }

  /** Whether a task is made for the slot in this step. */
  hasCreated(place: Place): boolean {
    return this.#created.has(placeKey(place));
  }

  create(reason: string, task: Task): void {
    this.#created.add(placeKey(task));
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
    this.write(reason, { ...task, desired });
  }

  setStatus(reason: string, task: Task, status: TaskStatus): void {
    this.write(reason, { ...task, status });
  }

  write(reason: string, object: Task): void {
    this.#touch(object.id);
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
    this.#created.add(placeKey(replacement));
    this.#transactions.push({ reason, changes });
  }

  /** Calls off a task whose node is lost, and creates its replacement where there is to be one. */
  moveAway(reason: string, task: Task, replacement: Task | undefined): void {
    this.#touch(task.id);
    const stop: Change = { op: 'update', table: 'task', object: { ...task, desired: 'shutdown' } };
    const changes: Change[] = [stop];
    if (replacement !== undefined) {
      this.#created.add(placeKey(replacement));
      changes.push({ op: 'create', table: 'task', object: replacement });
    }
    if (this.#moves === undefined) this.#transactions.push({ reason, changes });
    else movesFrom(this.#moves, task.nodeId).push(changes);
  }

  /** With `revision`, that is created with it. */
  updateService(reason: string, service: Service, revision?: Revision): void {
    this.#touch(service.id);
    const changes: Change[] = [{ op: 'update', table: 'service', object: service }];
    if (revision !== undefined) changes.push({ op: 'create', table: 'revision', object: revision });
    this.#transactions.unshift({ reason, changes });
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

function placeKey({ slot, nodeId }: Place): string {
  return slot === 0 ? nodeId : `${slot}`;
}

function movesFrom(moves: Moves, nodeId: string): Change[][] {
  let changes = moves.get(nodeId);
  if (changes === undefined) {
    changes = [];
    moves.set(nodeId, changes);
  }
  return changes;
}
