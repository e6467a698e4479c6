import { type Instant, later } from '@shoal/runtime';
import { type Change, type Revision, type Task, taskName } from '@shoal/state';
import type { Board } from '../board.ts';
import type { Candidate } from '../candidate.ts';
import type { PolicyBook } from './book.ts';
import { askedDependencies } from './gate.ts';
import { type Found, victims, victimsPerMinuteMax, victimsWindowMs } from './preemption.ts';

/** What is done so that a task may get room. */
export type Displacement =
  | { readonly kind: 'displaces'; readonly changes: readonly Change[]; readonly reason: string }
  /** Not before `at`: so many gave way in the last minute, or others just did in this step. */
  | { readonly kind: 'later'; readonly at: Instant }
  | { readonly kind: 'none' };

const none: Displacement = { kind: 'none' };

/** Makes tasks of lower priority give way, for one task in a step at most. */
export class Displacer {
  readonly #board: Board;
  readonly #book: PolicyBook;
  /** Revision id, and how many services it needs → position of the journal up to which no node was of any help. */
  readonly #searched = new Map<string, number>();
  #isDone = false;

  constructor(board: Board) {
    this.#board = board;
    this.#book = board.policies;
  }

  begin(): void {
    this.#isDone = false;
  }

  /** What was found of no help may help now. */
  forget(): void {
    this.#searched.clear();
  }

  /** For the first of the tasks that nobody gives way to yet. */
  forFirst(revision: Revision, tasks: Iterable<Task>): Displacement {
    if (!this.#mayDisplace(revision)) return none;
    if (this.#isDone) return this.#nextStep;
    const { displacements } = this.#book;
    for (const task of tasks)
      if (displacements.isIdle || displacements.stoppingFor(task.id) === 0)
        return this.#search(revision, task);
    return none;
  }

  /** For a task whose node is given. */
  onNode(revision: Revision, task: Task, candidate: Candidate): Displacement {
    if (!this.#mayDisplace(revision)) return none;
    if (this.#isDone) return this.#nextStep;
    if (this.#book.displacements.stoppingFor(task.id) > 0) return none;
    return this.#displace(revision, task, this.#find(revision, task, [candidate]));
  }

  /** What a waiting task says besides while others stop for it; empty when nobody does. */
  sentence(tasks: Iterable<Task>): string {
    const { displacements } = this.#book;
    if (displacements.isIdle) return '';
    const nodes = new Set<string>();
    for (const { id } of tasks) for (const nodeId of displacements.nodesFor(id)) nodes.add(nodeId);
    if (nodes.size === 0) return '';
    const names = [...nodes].sort().map((id) => hostname(this.#board, id));
    return `tasks of lower priority are stopping on ${names.join(', ')} to make room; `;
  }

  /** This one's turn comes when it is seen what became of the other's. */
  get #nextStep(): Displacement {
    return { kind: 'later', at: this.#board.now };
  }

  #mayDisplace({ serviceId }: Revision): boolean {
    return this.#book.mayDisplace(this.#book.priorityOf(serviceId));
  }

  #search(revision: Revision, task: Task): Displacement {
    const { journal } = this.#board.ledger;
    const key = `${revision.id} ${askedDependencies(this.#board.view, revision).length}`;
    const known = this.#searched.get(key);
    const isNew = known === undefined || journal.since(known) === undefined;
    const among = new Set(isNew ? this.#board.all() : []);
    if (!isNew) journal.read(known, (candidate) => among.add(candidate));
    const found = this.#find(revision, task, among);
    if (found.kind === 'none') this.#searched.set(key, journal.position);
    else this.#searched.delete(key);
    return this.#displace(revision, task, found);
  }

  #find(revision: Revision, task: Task, among: Iterable<Candidate>): Found {
    return victims(this.#board, this.#book, revision, task, among);
  }

  #displace(revision: Revision, task: Task, found: Found): Displacement {
    if (found.kind !== 'found') return none;
    const { now } = this.#board;
    const lately = this.#book.displacements.lately(later(now, -victimsWindowMs));
    if (lately.count + found.victims.length > victimsPerMinuteMax)
      return { kind: 'later', at: ((lately.oldest ?? now) + victimsWindowMs + 1) as Instant };
    this.#isDone = true;
    const name = this.#nameOf(revision, task);
    const changes = found.victims.map((victim): Change => {
      const over = `${this.#priorityOf(task)} over ${this.#priorityOf(victim)}`;
      const reason = `gave way to task ${name} of higher priority (${over})`;
      const displaced = { by: task.id, at: now, reason };
      return { op: 'update', table: 'task', object: { ...victim, desired: 'shutdown', displaced } };
    });
    return { kind: 'displaces', changes, reason: `makes room for task ${name}` };
  }

  #priorityOf({ serviceId }: Task): number {
    return this.#book.priorityOf(serviceId);
  }

  #nameOf({ spec: { Mode } }: Revision, task: Task): string {
    const service = this.#board.view.services.get(task.serviceId);
    // The first slot of a replicated job is 0, too.
    const isEverywhere = Mode.Global !== undefined || Mode.GlobalJob !== undefined;
    const place = isEverywhere ? hostname(this.#board, task.nodeId) : String(task.slot);
    return service === undefined ? taskName(task, '') : `${service.name}.${place}`;
  }
}

function hostname({ view }: Board, nodeId: string): string {
  return view.nodes.get(nodeId)?.description?.Hostname || nodeId;
}
