import { type Instant, invariant } from '@shoal/runtime';
import {
  type AppliedChange,
  countsAsReplica,
  type GenericResource,
  holdsOnNode,
  type Node,
  type NodeUsage,
  type Revision,
  type StateView,
  type Task,
} from '@shoal/state';
import { Candidate } from './candidate.ts';
import { Failures } from './failures.ts';
import { Journal } from './journal.ts';

/**
 * All nodes, with what the state does not say of them: how many of their tasks were told to stop, and
 * what a step has placed. The first is a cache of the state: kept up to date from changes, rebuilt from
 * the whole whenever asked. The second is counted in at once and taken back before the next step, which
 * finds it in the state if it was committed.
 */
export class Ledger {
  readonly journal = new Journal();
  readonly failures = new Failures();
  readonly #candidates = new Map<string, Candidate>();
  readonly #freeNumbers: number[] = [];
  #nextNumber = 0;
  /** Where the last step placed something. */
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
    this.#taken.clear();
    this.failures.clear();
    for (const node of view.nodes.values()) this.#add(node);
    for (const task of view.tasks.values()) {
      if (isStopping(task)) this.#candidates.get(task.nodeId)?.countStopping(task.serviceId, 1);
      this.failures.note(undefined, task);
    }
  }

  apply(change: AppliedChange): void {
    if (change.table === 'node') this.#applyNode(change.id, change.after);
    else if (change.table === 'revision' && change.after === undefined)
      this.failures.forget(change.id);
    else if (change.table === 'task') this.#applyTask(change.before, change.after);
  }

  /** Undoes what the last step counted in. */
  takeBack(): void {
    for (const candidate of this.#taken) {
      candidate.forgetPlaced();
      this.journal.note(candidate);
    }
    this.#taken.clear();
  }

  place(candidate: Candidate, revision: Revision): readonly GenericResource[] | undefined {
    const given = candidate.place(revision);
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
    const task = after ?? before;
    if (task === undefined || task.nodeId === '') return;
    const held = before !== undefined && holdsOnNode(before);
    const holds = after !== undefined && holdsOnNode(after);
    const wasStopping = before !== undefined && isStopping(before);
    const stops = after !== undefined && isStopping(after);
    if (held === holds && wasStopping === stops) return;
    const candidate = this.#candidates.get(task.nodeId);
    if (candidate === undefined) return;
    if (wasStopping !== stops) candidate.countStopping(task.serviceId, stops ? 1 : -1);
    candidate.changed();
    this.journal.note(candidate);
  }
}

/** It still holds what it reserves, but was told to stop. */
function isStopping(task: Task): boolean {
  return holdsOnNode(task) && !countsAsReplica(task);
}
