import type { ChangeSet, Decision, Stage } from '@shoal/stage';
import type { Change, StateView, Task, TaskStatus } from '@shoal/state';
import { Board } from './board.ts';
import { explain, pipelineFor } from './filters/pipeline.ts';
import { Ledger } from './ledger.ts';
import { needsOf, placeGroup } from './placement.ts';
import { Queue } from './queue.ts';

/** Texts of waiting tasks written in one transaction. */
export const textsPerTransaction = 100;

/**
 * Gives each pending task a node, or says why there is none. Decisions are keyed by service. Each
 * placement is a transaction of its own, so that a stale one is refused alone.
 */
export function createScheduler(): Stage {
  const ledger = new Ledger();
  const queue = new Queue();
  return {
    name: 'scheduler',
    step(view, changed, now, mine) {
      remember(view, changed, ledger, queue);
      const round = new Round(view, new Board(view, ledger, now), queue, mine);
      return round.run();
    },
  };
}

function remember(view: StateView, changed: ChangeSet, ledger: Ledger, queue: Queue): void {
  if (changed.everything) {
    ledger.rebuild(view);
    queue.rebuild(view);
    return;
  }
  for (const change of changed.changes) {
    ledger.apply(change);
    queue.apply(change);
  }
  for (const serviceId of changed.due) queue.recheck(serviceId, view);
}

class Round {
  readonly #view: StateView;
  readonly #board: Board;
  readonly #queue: Queue;
  readonly #mine: (key: string) => boolean;
  readonly #decisions: Decision[] = [];

  constructor(view: StateView, board: Board, queue: Queue, mine: (key: string) => boolean) {
    this.#view = view;
    this.#board = board;
    this.#queue = queue;
    this.#mine = mine;
  }

  run(): readonly Decision[] {
    for (const id of this.#queue.calledOff()) this.#callOff(this.#view.tasks.get(id));
    for (const id of this.#queue.preassigned()) this.#confirm(this.#view.tasks.get(id));
    for (const group of this.#queue.groups()) {
      if (!this.#mine(group.serviceId)) continue;
      const { placed, left, err } = placeGroup(
        this.#view,
        this.#board,
        group,
        this.#queue.changedNodes,
      );
      for (const { task, nodeId } of placed)
        this.#assign(task, nodeId, 'scheduler assigned task to node');
      this.#explain(group.serviceId, left, err);
    }
    this.#queue.settle();
    for (const nodeId of this.#board.taken()) this.#queue.nodeMayChange(nodeId);
    return this.#decisions;
  }

  /** A task that was told to stop before it had a node will never run: it ends here. */
  #callOff(task: Task | undefined): void {
    if (task === undefined || !this.#mine(task.serviceId)) return;
    const change = this.#withStatus(task, { ...task.status, state: 'shutdown', err: '' });
    this.#decide(task.serviceId, 'stopped before it was placed', [change]);
  }

  /** The node was chosen when the task was created: it only has to be fit. */
  #confirm(task: Task | undefined): void {
    if (task === undefined || !this.#mine(task.serviceId)) return;
    const revision = this.#view.revisions.of(task.serviceId, task.revision);
    const candidate = this.#board.candidate(task.nodeId);
    if (revision === undefined || candidate === undefined) return;
    const needs = needsOf(this.#view, revision);
    const verdict = pipelineFor(needs)(candidate);
    if (verdict === undefined) {
      this.#board.place(candidate, revision);
      const message = 'scheduler confirmed task can run on preassigned node';
      this.#assign(task, task.nodeId, message);
    } else this.#explain(task.serviceId, [task], explain([verdict]));
  }

  #assign(task: Task, nodeId: string, message: string): void {
    const at = this.#board.now;
    const status: TaskStatus = { ...task.status, state: 'assigned', at, message, err: '' };
    this.#decide(task.serviceId, message, [this.#withStatus({ ...task, nodeId }, status)]);
  }

  #explain(serviceId: string, tasks: readonly Task[], err: string): void {
    const changes = tasks
      .filter(({ status }) => status.err !== err)
      .map((task) => this.#withStatus(task, { ...task.status, at: this.#board.now, err }));
    for (let from = 0; from < changes.length; from += textsPerTransaction)
      this.#decide(serviceId, err, changes.slice(from, from + textsPerTransaction));
  }

  #withStatus(task: Task, status: TaskStatus): Change {
    return { op: 'update', table: 'task', object: { ...task, status } };
  }

  #decide(key: string, reason: string, changes: readonly Change[]): void {
    this.#decisions.push({ kind: 'transaction', key, reason, changes });
  }
}
