import { invariant } from '@shoal/runtime';
import {
  affinityOf,
  countsAsReplica,
  currentOf,
  type Demand,
  demandOf,
  holdsOnNode,
  isJob,
  isSticky,
  type Revision,
  type StateView,
  serviceByLabelName,
  serviceLabels,
  type Task,
} from '@shoal/state';
import type { Board } from '../board.ts';
import type { Candidate } from '../candidate.ts';
import type { PolicyBook } from './book.ts';
import { askedDependencies, begunTasks } from './gate.ts';

/** Tasks that give way to one task, all on one node. */
export const victimsPerTaskMax = 8;
/** Tasks that give way in any minute, in the whole swarm. */
export const victimsPerMinuteMax = 60;
export const victimsWindowMs = 60_000;

/** What lower tasks can make room for; a node that fails anything else is of no use. */
const roomFilters: ReadonlySet<string> = new Set(['resources', 'host-ports']);

export type Found =
  | { readonly kind: 'found'; readonly candidate: Candidate; readonly victims: readonly Task[] }
  /** Room comes free on some node without doing. */
  | { readonly kind: 'comes-free' }
  | { readonly kind: 'none' };

/** A task that may give way. */
interface Lower {
  readonly task: Task;
  readonly demand: Demand;
  readonly priority: number;
  /** Jobs lose their work, and tasks beside their data have nowhere to go: they come last. */
  readonly precious: boolean;
}

/**
 * Which tasks of lower priority, all on one node, give way to a task that fits nowhere: where the fewest
 * and the least important ones do, and of those the newest.
 */
export function victims(
  board: Board,
  book: PolicyBook,
  revision: Revision,
  task: Task,
  among: Iterable<Candidate>,
): Found {
  const above: Bar = {
    priority: book.priorityOf(revision.serviceId),
    ...neededBy(board.view, revision),
  };
  const pipeline = board.pipeline(revision);
  let best: Choice | undefined;
  for (const candidate of among) {
    if (candidate.gone || !pipeline.passesBut(candidate, roomFilters)) continue;
    const room = new Room(board.view, book, candidate, revision, task);
    if (room.fits([])) return { kind: 'comes-free' };
    const choice = choose(board.view, book, candidate, room, above);
    if (choice !== undefined && (best === undefined || compareChoices(choice, best) < 0))
      best = choice;
  }
  if (best === undefined) return { kind: 'none' };
  const { candidate, lower } = best;
  return { kind: 'found', candidate, victims: lower.map((one) => one.task) };
}

/** Without what of other services a task could not start: what they lost, it would wait for. */
interface Needed {
  /** Ids of services of which it needs every task. */
  readonly whole: ReadonlySet<string>;
  /** Ids of those of which it needs one task on its node. */
  readonly near: ReadonlySet<string>;
  /** By id of those of which it needs one task anywhere: the ids of all that would do. */
  readonly begun: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Who a task gives way to. */
interface Bar extends Needed {
  readonly priority: number;
}

function neededBy(view: StateView, revision: Revision): Needed {
  const labels = serviceLabels(view, revision);
  const whole = new Set<string>();
  const begun = new Map<string, ReadonlySet<string>>();
  for (const { name, condition } of askedDependencies(view, revision)) {
    const service = serviceByLabelName(view, labels, name);
    if (service === undefined) continue;
    if (condition !== 'started') whole.add(service.id);
    else begun.set(service.id, new Set(begunTasks(view, service).map(({ id }) => id)));
  }
  const hard = affinityOf(labels).near.filter((term) => term.hard);
  const near = hard.flatMap(({ name }) => serviceByLabelName(view, labels, name)?.id ?? []);
  return { whole, begun, near: new Set(near) };
}

interface Choice {
  readonly candidate: Candidate;
  readonly lower: readonly Lower[];
}

function choose(
  view: StateView,
  book: PolicyBook,
  candidate: Candidate,
  room: Room,
  above: Bar,
): Choice | undefined {
  const lower: Lower[] = [];
  for (const task of view.tasks.byNode(candidate.id)) {
    const one = lowerOf(view, book, task, above);
    if (one !== undefined) lower.push(one);
  }
  lower.sort(leastImportantFirst);
  for (const begun of above.begun.values()) keepOne(lower, begun.size, ({ id }) => begun.has(id));
  for (const id of above.near)
    keepOne(lower, candidate.tasksOf(id), ({ serviceId }) => serviceId === id);
  let count = 0;
  while (count < lower.length && !room.fits(lower.slice(0, count))) count += 1;
  let chosen = lower.slice(0, count);
  if (!room.fits(chosen)) return undefined;
  // What came in early may have become needless; the most important one is spared first.
  for (const one of [...chosen].reverse()) {
    const without = chosen.filter((other) => other !== one);
    if (room.fits(without)) chosen = without;
  }
  return chosen.length > victimsPerTaskMax ? undefined : { candidate, lower: chosen };
}

/** Takes out the most important task that would do, when all there are would give way. */
function keepOne(lower: Lower[], all: number, wouldDo: (task: Task) => boolean): void {
  const giving = lower.filter(({ task }) => wouldDo(task));
  const last = giving.at(-1);
  if (last !== undefined && giving.length >= all) lower.splice(lower.indexOf(last), 1);
}

/** Undefined for what does not give way: equals, what is needed, what cannot go elsewhere or come back. */
function lowerOf(view: StateView, book: PolicyBook, task: Task, above: Bar): Lower | undefined {
  if (!countsAsReplica(task)) return undefined;
  const priority = book.priorityOf(task.serviceId);
  if (priority >= above.priority || above.whole.has(task.serviceId)) return undefined;
  const service = view.services.get(task.serviceId);
  const current = service && currentOf(view, service);
  const revision = view.revisions.of(task.serviceId, task.revision);
  if (current === undefined || revision === undefined) return undefined;
  const { Mode } = current.spec;
  const job = isJob(current.spec);
  // Earlier runs are over: nothing of theirs is tried again.
  if (job && task.jobIteration !== service?.jobStatus?.iteration) return undefined;
  const ofRun = service?.jobStatus && view.revisions.of(service.id, service.jobStatus.revision);
  const policy = (ofRun ?? current).spec.TaskTemplate.RestartPolicy;
  const comesBack = policy?.Condition !== 'none' && (job || (policy?.MaxAttempts ?? 0) === 0);
  if (Mode.Global !== undefined || Mode.GlobalJob !== undefined || !comesBack) return undefined;
  return {
    task,
    priority,
    demand: demandOf(revision),
    precious: job || isSticky(view, revision),
  };
}

/** What the task would have on the node. */
class Room {
  readonly #demand: Demand;
  readonly #candidate: Candidate;
  /** What comes free without doing, less what it is meant for. */
  readonly #coming: readonly { readonly demand: Demand; readonly sign: 1 | -1 }[];

  constructor(
    view: StateView,
    book: PolicyBook,
    candidate: Candidate,
    revision: Revision,
    task: Task,
  ) {
    this.#demand = demandOf(revision);
    this.#candidate = candidate;
    const coming: { readonly demand: Demand; readonly sign: 1 | -1 }[] = [];
    const add = (other: Task, sign: 1 | -1): void => {
      const made = view.revisions.of(other.serviceId, other.revision);
      invariant(made !== undefined, 'a task without its revision', { task: other.id });
      coming.push({ demand: demandOf(made), sign });
    };
    for (const other of view.tasks.byNode(candidate.id))
      if (holdsOnNode(other) && !countsAsReplica(other)) add(other, 1);
    for (const other of book.displacements.awaiting(candidate.id))
      if (other.id !== task.id) add(other, -1);
    this.#coming = coming;
  }

  /** Whether the task fits once these are gone, and what is stopping already. */
  fits(lower: readonly Lower[]): boolean {
    const { nanoCpus, memoryBytes, generic, hostPorts } = this.#demand;
    const { room } = this.#candidate;
    const freed = [...this.#coming, ...lower.map(({ demand }) => ({ demand, sign: 1 as const }))];
    const gain = (amountOf: (demand: Demand) => number): number =>
      freed.reduce((sum, { demand, sign }) => sum + sign * amountOf(demand), 0);
    if (nanoCpus > 0 && nanoCpus > room.nanoCpus + gain((demand) => demand.nanoCpus)) return false;
    if (memoryBytes > 0 && memoryBytes > room.memoryBytes + gain((demand) => demand.memoryBytes))
      return false;
    for (const [kind, amount] of generic)
      if (amount > this.#candidate.genericLeft(kind) + gain((one) => one.generic.get(kind) ?? 0))
        return false;
    return hostPorts.every(({ key }) => {
      const holds = (demand: Demand): number =>
        Number(demand.hostPorts.some((one) => one.key === key));
      return Number(!this.#candidate.hasPortFree(key)) - gain(holds) <= 0;
    });
  }
}

/** The newest of the lowest priority first; jobs and tasks beside their data after all others. */
function leastImportantFirst(a: Lower, b: Lower): number {
  return (
    Number(a.precious) - Number(b.precious) ||
    a.priority - b.priority ||
    b.task.meta.createdAt - a.task.meta.createdAt ||
    (a.task.id < b.task.id ? -1 : 1)
  );
}

/** Negative when `a` does less harm. */
function compareChoices(a: Choice, b: Choice): number {
  return (
    preciousIn(a) - preciousIn(b) ||
    a.lower.length - b.lower.length ||
    highestIn(a) - highestIn(b) ||
    oldestIn(b) - oldestIn(a) ||
    (a.candidate.id < b.candidate.id ? -1 : 1)
  );
}

function preciousIn({ lower }: Choice): number {
  return lower.filter(({ precious }) => precious).length;
}

function highestIn({ lower }: Choice): number {
  return lower.reduce((most, { priority }) => Math.max(most, priority), Number.NEGATIVE_INFINITY);
}

function oldestIn({ lower }: Choice): number {
  return lower.reduce(
    (oldest, { task }) => Math.min(oldest, task.meta.createdAt),
    Number.POSITIVE_INFINITY,
  );
}
