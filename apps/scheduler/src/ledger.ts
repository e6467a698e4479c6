import { type Instant, invariant } from '@shoal/runtime';
import {
  type AppliedChange,
  countsAsReplica,
  type GenericResource,
  type Node,
  type NodeUsage,
  type Revision,
  type StateView,
  type Task,
} from '@shoal/state';
import { Candidate } from './candidate.ts';
import { Failures } from './failures.ts';
import { Journal } from './journal.ts';

interface Placing {
  readonly candidate: Candidate;
  readonly serviceId: string;
}

/**
 * All nodes with how many active tasks each has, by service. A cache of the state: kept up to date from
 * changes, rebuilt from the whole whenever asked. What a step places is counted in at once and taken
 * back before the next, which finds it in the state if it was committed.
 */
export class Ledger {
  readonly journal = new Journal();
  readonly failures = new Failures();
  readonly #candidates = new Map<string, Candidate>();
  readonly #freeNumbers: number[] = [];
  #nextNumber = 0;
  /** What the last step counted in, by task, as long as it is not known to be committed. */
  readonly #placed = new Map<string, Placing>();
  readonly #taken = new Set<Candidate>();
  #view: StateView | undefined;
  readonly #usageOf = (nodeId: string): NodeUsage => {
    invariant(this.#view !== undefined, 'candidates come from a view', { nodeId });
    return this.#view.usage(nodeId);
  };

  /** Nothing that was kept about nodes may be used after this. */
  rebuild(view: StateView): void {
    this.#view = view;
    this.#candidates.clear();
    this.#freeNumbers.length = 0;
    this.#nextNumber = 0;
    this.#placed.clear();
    this.#taken.clear();
    this.failures.clear();
    for (const node of view.nodes.values()) this.#add(node);
    for (const task of view.tasks.values()) {
      this.#count(task, 1);
      this.failures.note(undefined, task);
    }
  }

  apply(change: AppliedChange): void {
    if (change.table === 'node') this.#applyNode(change.id, change.after);
    else if (change.table === 'revision' && change.after === undefined)
      this.failures.forget(change.id);
    else if (change.table === 'task') this.#applyTask(change.before, change.after);
  }

  /** Undoes what the last step counted in and was not committed. Comes after the changes of the step. */
  takeBack(): void {
    for (const { candidate, serviceId } of this.#placed.values()) {
      candidate.count(serviceId, -1);
      this.journal.note(candidate);
    }
    this.#placed.clear();
    for (const candidate of this.#taken) candidate.forgetPlaced();
    this.#taken.clear();
  }

  place(
    candidate: Candidate,
    revision: Revision,
    taskId: string,
  ): readonly GenericResource[] | undefined {
    const given = candidate.place(revision);
    this.#placed.set(taskId, { candidate, serviceId: revision.serviceId });
    this.#taken.add(candidate);
    this.journal.note(candidate);
    return given;
  }

  candidate(nodeId: string): Candidate | undefined {
    return this.#candidates.get(nodeId);
  }

  /** In the order of their creation. */
  all(): Iterable<Candidate> {
    return this.#candidates.values();
  }

  get size(): number {
    return this.#candidates.size;
  }

  /** Above the number of every candidate. */
  get numbersEnd(): number {
    return this.#nextNumber;
  }

  suspects(revision: Revision, now: Instant): ReadonlyMap<string, number> {
    return this.failures.suspects(revision.id, now);
  }

  #add(node: Node): Candidate {
    const number = this.#freeNumbers.pop() ?? this.#nextNumber;
    if (number === this.#nextNumber) this.#nextNumber += 1;
    const candidate = new Candidate(node, number, this.#usageOf);
    this.#candidates.set(node.id, candidate);
    return candidate;
  }

  #applyNode(id: string, after: Node | undefined): void {
    const candidate = this.#candidates.get(id);
    if (candidate === undefined) {
      if (after !== undefined) this.journal.note(this.#add(after));
      return;
    }
    if (after === undefined) {
      candidate.gone = true;
      this.#candidates.delete(id);
      this.#freeNumbers.push(candidate.number);
    } else candidate.node = after;
    this.journal.note(candidate);
  }

  #applyTask(before: Task | undefined, after: Task | undefined): void {
    this.failures.note(before, after);
    const wasActive = before !== undefined && countsAsReplica(before);
    const isActive = after !== undefined && countsAsReplica(after);
    if (before !== undefined && wasActive && !isActive) this.#count(before, -1);
    if (after !== undefined && isActive && !wasActive && !this.#isPlaced(after))
      this.#count(after, 1);
    const task = after ?? before;
    if (task === undefined || task.nodeId === '' || wasActive !== isActive) return;
    // Not active, but it may have freed what it held.
    if (before?.status.state === after?.status.state) return;
    const candidate = this.#candidates.get(task.nodeId);
    if (candidate !== undefined) this.journal.note(candidate);
  }

  #count(task: Task, by: 1 | -1): void {
    if (!countsAsReplica(task)) return;
    const candidate = this.#candidates.get(task.nodeId);
    if (candidate !== undefined) this.#move(candidate, task.serviceId, by);
  }

  #move(candidate: Candidate, serviceId: string, by: 1 | -1): void {
    candidate.count(serviceId, by);
    this.journal.note(candidate);
  }

  /** True when the last step counted this in already, on this node: now it is for good. */
  #isPlaced({ id, nodeId }: Task): boolean {
    const candidate = this.#placed.get(id)?.candidate;
    if (candidate === undefined || candidate.id !== nodeId) return false;
    this.journal.note(candidate);
    return this.#placed.delete(id);
  }
}
