import type { ChangeSet } from '@shoal/stage';
import type { AppliedChange } from '@shoal/state';
import type { Board } from '../board.ts';
import type { Queue } from '../queue.ts';
import type { Displacer } from './displacer.ts';
import { servicesToForget } from './homes.ts';

/** Keeps what policies know up to date, and wakes what may now be placed because of them. */
export class Awareness {
  readonly #board: Board;
  readonly #queue: Queue;
  readonly #displacer: Displacer;
  /** Services that are gone, of which something may still be remembered. */
  #gone = new Set<string>();

  constructor(board: Board, queue: Queue, displacer: Displacer) {
    this.#board = board;
    this.#queue = queue;
    this.#displacer = displacer;
  }

  /** Before the queue hears of the changes, so that it finds everything as it is. */
  take(changed: ChangeSet): void {
    this.#displacer.begin();
    const { view, policies } = this.#board;
    if (changed.everything) {
      policies.rebuild(view);
      this.#displacer.forget();
      this.#gone = new Set(servicesToForget(view));
      return;
    }
    const concerned = new Set<string>();
    for (const change of changed.changes) {
      for (const serviceId of policies.apply(view, change)) concerned.add(serviceId);
      this.#release(change);
      if (change.table === 'service' && change.after === undefined) this.#gone.add(change.id);
    }
    for (const key of changed.due) if (view.services.get(key) === undefined) this.#gone.add(key);
    if (concerned.size > 0) this.#displacer.forget();
    for (const serviceId of concerned) this.#recheck(serviceId);
  }

  /** The services that are gone; asked once. */
  gone(): Iterable<string> {
    const gone = this.#gone;
    this.#gone = new Set();
    return gone;
  }

  #recheck(serviceId: string): void {
    const { view } = this.#board;
    for (const { id } of view.revisions.byService(serviceId)) this.#board.forgetSurvey(id);
    this.#queue.recheck(serviceId, view);
  }

  /** A task that others make room for waits no more: the room is for all again. */
  #release(change: AppliedChange): void {
    const { ledger, policies } = this.#board;
    if (change.table !== 'task' || policies.displacements.isIdle) return;
    if (change.after?.status.state === 'pending' && change.after.desired === change.before?.desired)
      return;
    for (const nodeId of policies.displacements.nodesFor(change.id)) {
      const candidate = ledger.candidate(nodeId);
      if (candidate !== undefined) ledger.journal.note(candidate);
    }
  }
}
