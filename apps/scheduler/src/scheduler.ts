import { type Instant, later } from '@shoal/runtime';
import type { ChangeSet, Decision, Stage } from '@shoal/stage';
import {
  type Change,
  isSticky,
  type Revision,
  type Task,
  type TaskStatus,
  volumeHomeId,
} from '@shoal/state';
import { Board } from './board.ts';
import type { Recorder } from './decisions/recorder.ts';
import { explainOne } from './filters/pipeline.ts';
import type { Group } from './group.ts';
import { Ledger } from './ledger.ts';
import { type Placed, placeTasks } from './placement.ts';
import { Awareness } from './policies/awareness.ts';
import { type Displacement, Displacer } from './policies/displacer.ts';
import { type Gate, gateOf, openGate } from './policies/gate.ts';
import { type Left, placeAtHomes } from './policies/homecoming.ts';
import { forgottenHomes, homeChanges, settledHomes } from './policies/homes.ts';
import { Queue } from './queue.ts';
import { unfitNode } from './wait-text.ts';

/** Texts of waiting tasks written in one transaction. */
const textsPerTransaction = 100;
/**
 * Tasks placed in one step; what is left is placed in the next, which sees what became of these. So few
 * that they are still in the processor's caches when they come back from the log.
 */
export const placementsPerStepMax = 1_024;
/** A waiting task's text is written anew at most this often, milliseconds: amounts move all the time. */
export const textRefreshMs = 2_000;

/** Key of the wake that goes on where a step had to end. */
const moreKey = 'more';
const textKeyPrefix = 'text ';
const taskKeyPrefix = 'task ';

/** One for each group: those of one service have times of their own. */
function textKey({ serviceId, revision }: Group): string {
  return `${textKeyPrefix}${revision} ${serviceId}`;
}

export interface SchedulerOptions {
  /** Writes down why; it costs nothing where there is none. */
  readonly recorder?: Recorder | undefined;
}

/**
 * Gives each pending task a node, or says why there is none. Decisions are keyed by service. Each
 * placement is a transaction of its own, so that a stale one is refused alone.
 */
export function createScheduler({ recorder }: SchedulerOptions = {}): Stage {
  const ledger = new Ledger();
  const queue = new Queue();
  let parts: Parts | undefined;
  return {
    name: 'scheduler',
    step(view, changed, now, mine) {
      parts ??= partsOf(new Board(view, ledger), queue);
      parts.board.begin(view, now);
      remember(changed, parts, mine);
      const decisions = new Round(parts, mine).run();
      recorder?.note(parts.board, decisions);
      return decisions;
    },
  };
}

/** What one scheduler remembers from step to step. */
interface Parts {
  readonly board: Board;
  readonly queue: Queue;
  readonly displacer: Displacer;
  readonly awareness: Awareness;
}

function partsOf(board: Board, queue: Queue): Parts {
  const displacer = new Displacer(board);
  return { board, queue, displacer, awareness: new Awareness(board, queue, displacer) };
}

function remember(
  changed: ChangeSet,
  { board, queue, awareness }: Parts,
  mine: (key: string) => boolean,
): void {
  const { ledger, view } = board;
  if (changed.everything) {
    ledger.rebuild(view);
    queue.rebuild(view, mine);
    board.forget();
    awareness.take(changed);
    return;
  }
  // First: numbers of nodes that are gone are given to others as the changes are applied.
  ledger.takeBack();
  for (const change of changed.changes) {
    ledger.apply(change);
    queue.apply(change);
    if (change.table === 'network' || change.table === 'cluster') board.forget();
    if (change.table === 'revision' && change.after === undefined) board.forgetSurvey(change.id);
  }
  awareness.take(changed);
  for (const key of changed.due) {
    if (key.startsWith(textKeyPrefix))
      queue.recheckText(key.slice(key.indexOf(' ', textKeyPrefix.length) + 1));
    else if (key.startsWith(taskKeyPrefix))
      queue.recheckTask(view.tasks.get(key.slice(taskKeyPrefix.length)));
    else if (key !== moreKey) queue.recheck(key, view);
  }
}

class Round {
  readonly #board: Board;
  readonly #queue: Queue;
  readonly #displacer: Displacer;
  readonly #awareness: Awareness;
  readonly #mine: (key: string) => boolean;
  readonly #decisions: Decision[] = [];
  readonly #homed = new Set<string>();

  constructor({ board, queue, displacer, awareness }: Parts, mine: (key: string) => boolean) {
    this.#board = board;
    this.#queue = queue;
    this.#displacer = displacer;
    this.#awareness = awareness;
    this.#mine = mine;
  }

  run(): readonly Decision[] {
    const { ledger, view } = this.#board;
    for (const id of this.#queue.calledOff()) this.#callOff(view.tasks.get(id));
    if (this.#queue.hasPreassigned)
      for (const nodeId of this.#board.changedNodes()) this.#queue.recheckNode(nodeId);
    // Who goes on waiting with the same words is no decision: the next ones have their turn at once.
    while (this.#left > 0 && this.#queue.hasFreshPreassigned)
      for (const id of this.#queue.preassigned(this.#left)) this.#confirm(view.tasks.get(id));
    const groups = this.#queue.groups(ledger.journal.position);
    for (const group of this.#board.policies.inOrder(groups)) {
      if (this.#left <= 0) break;
      this.#place(group);
    }
    if (this.#left <= 0) this.#wake(moreKey, this.#board.now);
    this.#settleHomes();
    this.#forgetHomes();
    return this.#decisions;
  }

  /** Placements that this step may still make. */
  get #left(): number {
    return placementsPerStepMax - this.#decisions.length;
  }

  /** A task that was told to stop before it had a node will never run: it ends here. */
  #callOff(task: Task | undefined): void {
    if (task === undefined) return;
    const change = withStatus(task, { ...task.status, state: 'shutdown', err: '' });
    this.#decide(task.serviceId, 'stopped before it was placed', [change]);
  }

  /** The node was chosen when the task was created: it only has to be fit. */
  #confirm(task: Task | undefined): void {
    if (task === undefined) return;
    const revision = this.#board.view.revisions.of(task.serviceId, task.revision);
    const candidate = this.#board.candidate(task.nodeId);
    if (revision === undefined || candidate === undefined) return;
    const { waits, opened } = this.#gateOf(revision);
    if (waits !== undefined) {
      this.#saySo(task, waits);
      return;
    }
    const pipeline = this.#board.pipeline(revision);
    const verdict = pipeline.judge(candidate);
    if (verdict === undefined) {
      const genericResources = this.#board.place(candidate, revision);
      const message = 'scheduler confirmed task can run on preassigned node';
      this.#assign(
        revision,
        { task, nodeId: task.nodeId, genericResources },
        withWords(message, opened),
      );
      return;
    }
    this.#displace(task.serviceId, this.#displacer.onNode(revision, task, candidate));
    const unfit = unfitNode(explainOne(verdict), candidate, pipeline);
    this.#saySo(task, `${this.#displacer.sentence([task])}${unfit}`);
  }

  /** Writes why a task waits for the node it was made for. */
  #saySo(task: Task, err: string): void {
    const due = textDue(task, err);
    // A key for each: a later wake would replace that of another task of the node.
    if (due > this.#board.now) this.#wake(`${taskKeyPrefix}${task.id}`, due);
    else if (task.status.err !== err) this.#decide(task.serviceId, err, [this.#text(task, err)]);
  }

  #place(group: Group): void {
    const { view } = this.#board;
    const revision = view.revisions.of(group.serviceId, group.revision);
    // Tasks of a service that was removed are about to be removed themselves.
    if (revision === undefined || view.services.get(group.serviceId) === undefined) {
      this.#queue.looked(group, false);
      return;
    }
    const { waits, opened } = this.#gateOf(revision);
    if (waits !== undefined) {
      // No node changes that; what does wakes the group.
      this.#explain(group, waits, 0);
      this.#queue.looked(group, false);
    } else if (isSticky(view, revision)) this.#placeAtHomes(group, revision, opened);
    else this.#placeAnywhere(group, revision, opened);
  }

  #gateOf(revision: Revision): Gate {
    return this.#board.needs(revision).plain ? openGate : gateOf(this.#board.view, revision);
  }

  #placeAnywhere(group: Group, revision: Revision, opened: string | undefined): void {
    const { ledger, view } = this.#board;
    const tasks = group.first(view, this.#left);
    const { placed, err } = placeTasks(this.#board, revision, tasks);
    for (const one of placed)
      this.#assign(revision, one, withWords('scheduler assigned task to node', opened));
    if (err === undefined && placed.length < group.size) return;
    if (err !== undefined) this.#leave(group, revision, placed.length, err);
    group.lookedAt = ledger.journal.position;
    this.#queue.looked(group, err !== undefined);
  }

  /** The tasks after the first `placed` have no node: others may be made to give way, and they say why. */
  #leave(group: Group, revision: Revision, placed: number, err: string): void {
    const left = (): Iterable<Task> => group.inOrder(this.#board.view, placed);
    this.#displace(group.serviceId, this.#displacer.forFirst(revision, left()));
    this.#explain(group, `${this.#displacer.sentence(left())}${err}`, placed);
  }

  /** Places tasks whose slots each have a node of their own, and a reason of their own to wait. */
  #placeAtHomes(group: Group, revision: Revision, opened: string | undefined): void {
    const { view, now, ledger } = this.#board;
    const tasks = group.first(view, this.#left);
    const { placed, left } = placeAtHomes(this.#board, revision, tasks);
    for (const one of placed)
      this.#assign(revision, one, withWords('scheduler assigned task to node', opened));
    let next = Number.POSITIVE_INFINITY;
    for (const one of left) {
      const { task } = one;
      const err = this.#reasonAtHome(revision, one);
      const due = textDue(task, err);
      if (due > now) next = Math.min(next, due);
      else if (task.status.err !== err) this.#decide(group.serviceId, err, [this.#text(task, err)]);
    }
    if (next < Number.POSITIVE_INFINITY) this.#wake(textKey(group), next as Instant);
    if (left.length === 0 && placed.length < group.size) return;
    group.lookedAt = ledger.journal.position;
    this.#queue.looked(group, left.length > 0);
  }

  /** Why the task is left, once others were asked to give way to it. */
  #reasonAtHome(revision: Revision, { task, err, home }: Left): string {
    if (err === undefined) return task.status.err;
    if (home === undefined)
      this.#displace(task.serviceId, this.#displacer.forFirst(revision, [task]));
    else if (home !== 'gone')
      this.#displace(task.serviceId, this.#displacer.onNode(revision, task, home));
    return `${this.#displacer.sentence([task])}${err}`;
  }

  #displace(serviceId: string, displacement: Displacement): void {
    if (displacement.kind === 'displaces')
      this.#decide(serviceId, displacement.reason, displacement.changes);
    else if (displacement.kind === 'later') this.#wake(serviceId, displacement.at);
  }

  /** Of several tasks that one slot gets in a step, the first says where its data is. */
  #homeChanges(revision: Revision, task: Task, nodeId: string): readonly Change[] {
    const changes = homeChanges(this.#board.view, revision, task, nodeId);
    if (changes.length === 0) return changes;
    const id = volumeHomeId(task.serviceId, task.slot);
    if (this.#homed.has(id)) return [];
    this.#homed.add(id);
    return changes;
  }

  /** Says of volumes that were unproven whether they are there. */
  #settleHomes(): void {
    const { view } = this.#board;
    const homes = this.#awareness
      .unsettled()
      .filter(({ id, serviceId }) => this.#mine(serviceId) && !this.#homed.has(id));
    for (const { serviceId, changes } of settledHomes(view, homes))
      this.#decide(
        serviceId,
        'the first task at the volumes has begun or was turned away',
        changes,
      );
  }

  #forgetHomes(): void {
    for (const serviceId of this.#awareness.gone()) {
      if (!this.#mine(serviceId)) continue;
      for (const changes of forgottenHomes(this.#board.view, serviceId))
        this.#decide(serviceId, 'the service of the volumes is gone', changes);
    }
  }

  #assign(revision: Revision, { task, nodeId, genericResources }: Placed, message: string): void {
    const homes = this.#homeChanges(revision, task, nodeId);
    const status: TaskStatus = {
      ...task.status,
      state: 'assigned',
      at: this.#board.now,
      message,
      err: '',
    };
    const object = { ...task, nodeId, status };
    const given = genericResources === undefined ? object : { ...object, genericResources };
    const assigned: Change = { op: 'update', table: 'task', object: given };
    const changes = homes.length === 0 ? [assigned] : [assigned, ...homes];
    this.#decide(task.serviceId, message, changes);
  }

  /** Writes why the tasks after the first `placed` wait, if they do not say so already. */
  #explain(group: Group, err: string, placed: number): void {
    const { now, view } = this.#board;
    if (group.text === err) return;
    const key = textKey(group);
    if (group.text !== undefined && group.textAt + textRefreshMs > now) {
      this.#wake(key, later(group.textAt, textRefreshMs));
      return;
    }
    const changes: Change[] = [];
    let oldest = now;
    let next = Number.POSITIVE_INFINITY;
    for (const task of group.inOrder(view, placed)) {
      const due = textDue(task, err);
      if (due > now) next = Math.min(next, due);
      else if (task.status.err !== err) changes.push(this.#text(task, err));
      else if (task.status.at < oldest) oldest = task.status.at;
    }
    group.text = next === Number.POSITIVE_INFINITY ? err : undefined;
    group.textAt = oldest;
    if (group.text === undefined) this.#wake(key, next as Instant);
    for (let from = 0; from < changes.length; from += textsPerTransaction)
      this.#decide(group.serviceId, err, changes.slice(from, from + textsPerTransaction));
  }

  #text(task: Task, err: string): Change {
    return withStatus(task, { ...task.status, at: this.#board.now, err });
  }

  #decide(key: string, reason: string, changes: readonly Change[]): void {
    this.#decisions.push({ kind: 'transaction', key, reason, changes });
  }

  #wake(key: string, at: Instant): void {
    this.#decisions.push({ kind: 'wake', key, at });
  }
}

function withWords(message: string, more: string | undefined): string {
  return more === undefined ? message : `${message}; ${more}`;
}

/** When the task's text may be changed to `err`: at once (0) when it says nothing or the same. */
function textDue({ status }: Task, err: string): Instant {
  const settled = status.err === '' || status.err === err;
  return (settled ? 0 : status.at + textRefreshMs) as Instant;
}

function withStatus(task: Task, status: TaskStatus): Change {
  return { op: 'update', table: 'task', object: { ...task, status } };
}
