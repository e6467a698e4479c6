import type { ChangeSet } from '@shoal/stage';
import type { AppliedChange, VolumeHome } from '@shoal/state';
import type { Board } from '../board.ts';
import type { Queue } from '../queue.ts';
import type { Displacer } from './displacer.ts';
import { servicesToForget, unprovenHomes } from './homes.ts';
import { hasUnproven, isUnprovenAt, tells } from './volume-places.ts';

/** Keeps what policies know up to date, and wakes what may now be placed because of them. */
export class Awareness {
  readonly #board: Board;
  readonly #queue: Queue;
  readonly #displacer: Displacer;
  /** Services that are gone, of which something may still be remembered. */
  #gone = new Set<string>();
  /** Ids of homes of which it may be known by now whether the data is there. */
  #unsettled = new Set<string>();

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
      this.#unsettled = new Set(unprovenHomes(view.volumeHomes.values()));
      return;
    }
    const concerned = new Set<string>();
    for (const change of changed.changes) {
      for (const serviceId of policies.apply(view, change)) concerned.add(serviceId);
      this.#release(change);
      this.#unsettle(change);
      if (change.table === 'service' && change.after === undefined) this.#gone.add(change.id);
    }
    for (const key of changed.due) {
      if (view.services.get(key) === undefined) this.#gone.add(key);
      for (const id of unprovenHomes(view.volumeHomes.byService(key))) this.#unsettled.add(id);
    }
    if (concerned.size > 0) this.#displacer.forget();
    for (const serviceId of concerned) this.#recheck(serviceId);
  }

  /** The services that are gone; asked once. */
  gone(): Iterable<string> {
    const gone = this.#gone;
    this.#gone = new Set();
    return gone;
  }

  /** The homes to settle; asked once. */
  unsettled(): readonly VolumeHome[] {
    const { volumeHomes } = this.#board.view;
    const homes = [...this.#unsettled].flatMap((id) => volumeHomes.get(id) ?? []);
    this.#unsettled.clear();
    return homes;
  }

  /** A task had its container where its slot may have its home, or left without; or the home is another. */
  #unsettle(change: AppliedChange): void {
    const { view } = this.#board;
    if (change.table === 'volumeHome' && change.after !== undefined && hasUnproven(change.after))
      this.#unsettled.add(change.id);
    if (change.table !== 'task' || view.volumeHomes.size === 0) return;
    const task = change.after ?? change.before;
    if (task === undefined || task.nodeId === '' || !tells(change.before, change.after)) return;
    const home = view.volumeHomes.of(task.serviceId, task.slot);
    if (home !== undefined && isUnprovenAt(home, task.nodeId)) this.#unsettled.add(home.id);
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
