import type { Instant } from '@shoal/runtime';
import type { ChangeSet, Decision } from '@shoal/stage';
import {
  type AppliedChange,
  flagOf,
  isBefore,
  movesPerHourDefault,
  movesPerHourLabel,
  movesPerHourOf,
  policyLabel,
  type Revision,
  rebalanceKey,
  rebalanceLabel,
  type Service,
  type StateView,
  type Task,
} from '@shoal/state';
import { byAge } from '../slots.ts';
import { newTask } from '../task.ts';
import { type Shift, shiftOf } from './imbalance.ts';
import { barredNodes, calmTasks, mayBeMoved, spotsOf } from './spots.ts';
import { isMoving } from './takeover.ts';

const hourMs = 3_600_000;

/**
 * Moves tasks, one at a time in the whole cluster and no more an hour than the budget says, to where
 * there are fewer. What it remembers follows from the state.
 */
export class Rebalancer {
  /** Services whose own label asks for it. */
  readonly #asking = new Set<string>();
  /** Tasks that moves have made, while the state has them. */
  readonly #moved = new Set<string>();

  note(view: StateView, changed: ChangeSet): void {
    if (changed.everything) {
      this.#asking.clear();
      this.#moved.clear();
      for (const { id } of view.services.values()) this.#noteService(view, id);
      for (const task of view.tasks.values()) this.#noteTask(task.id, task);
    }
    for (const change of changed.changes) {
      if (change.table === 'service') this.#noteService(view, change.id);
      if (change.table === 'task') this.#noteTask(change.id, change.after);
    }
  }

  *decide(view: StateView, changed: ChangeSet, now: Instant): Iterable<Decision> {
    const everywhere = flagOf(view.cluster?.spec.Labels[rebalanceLabel]) === true;
    if (!everywhere && this.#asking.size === 0) return;
    const woken = changed.everything || changed.due.has(rebalanceKey);
    if (!woken && !changed.changes.some(mayUnbalance)) return;
    const last = this.#lastMove(view, now);
    if (last === 'under way') return;
    let wakeAt = Number.POSITIVE_INFINITY;
    for (const service of everywhere ? view.services.values() : this.#services(view)) {
      const found = findMove(view, service, { last, now, wakeAt });
      if (found.kind === 'move') {
        yield found.decision;
        return;
      }
      wakeAt = Math.min(wakeAt, found.again);
    }
    if (wakeAt < Number.POSITIVE_INFINITY)
      yield { kind: 'wake', key: rebalanceKey, at: wakeAt as Instant };
  }

  #noteService(view: StateView, id: string): void {
    const service = view.services.get(id);
    const revision = service && view.revisions.of(id, service.revision);
    if (flagOf(revision?.spec.Labels[rebalanceLabel]) === true) this.#asking.add(id);
    else this.#asking.delete(id);
  }

  #noteTask(id: string, task: Task | undefined): void {
    if (task?.movedFrom === undefined) this.#moved.delete(id);
    else this.#moved.add(id);
  }

  *#services(view: StateView): Iterable<Service> {
    for (const id of [...this.#asking].sort()) {
      const service = view.services.get(id);
      if (service !== undefined) yield service;
    }
  }

  /** When the newest move began; 0 when there was none. */
  #lastMove(view: StateView, now: Instant): Instant | 'under way' {
    let last = 0 as Instant;
    for (const id of this.#moved) {
      const task = view.tasks.get(id);
      if (task === undefined) continue;
      if (isMoving(view, task, now)) return 'under way';
      if (task.meta.createdAt > last) last = task.meta.createdAt;
    }
    return last;
  }
}

/** Agents move tasks all the time; only what begins to run, ends, comes or goes matters here. */
function mayUnbalance(change: AppliedChange): boolean {
  if (change.table !== 'task') return change.table !== 'lease' && change.table !== 'network';
  const { before, after } = change;
  return (
    before === undefined ||
    after === undefined ||
    before.desired !== after.desired ||
    isBefore(before.status.state, 'running') !== isBefore(after.status.state, 'running') ||
    before.status.state === 'running'
  );
}

type Found =
  | { readonly kind: 'move'; readonly decision: Decision }
  /** Nothing before `again`, which is infinite when only a change can bring work. */
  | { readonly kind: 'none'; readonly again: number };

const nothing: Found = { kind: 'none', again: Number.POSITIVE_INFINITY };

interface Moment {
  readonly now: Instant;
  /** When the newest move began; 0 when there was none. */
  readonly last: Instant;
  /** When all services are looked at again anyway. */
  readonly wakeAt: number;
}

function findMove(view: StateView, service: Service, { last, now, wakeAt }: Moment): Found {
  const revision = view.revisions.of(service.id, service.revision);
  if (revision === undefined || !mayBeMoved(view, revision)) return nothing;
  const allowedAt = last === 0 ? 0 : last + intervalMs(view, revision);
  if (allowedAt > now && allowedAt >= wakeAt) return nothing;
  const tasks = calmTasks(view, service, revision);
  if (tasks === undefined || tasks.length === 0) return nothing;
  const barred = barredNodes(view, service.id, now);
  let again = Number.POSITIVE_INFINITY;
  for (const until of barred.values()) again = Math.min(again, until);
  const shift = shiftOf(spotsOf(view, revision, tasks, new Set(barred.keys())));
  if (shift === undefined) return { kind: 'none', again };
  if (allowedAt > now) return { kind: 'none', again: allowedAt };
  const decision = moveOf(view, revision, tasks, shift, now);
  return decision === undefined ? nothing : { kind: 'move', decision };
}

/** Time between two moves: the budget of an hour, evenly spread over it. */
function intervalMs(view: StateView, revision: Revision): number {
  const text = policyLabel(view, revision, movesPerHourLabel);
  return Math.ceil(hourMs / (movesPerHourOf(text) ?? movesPerHourDefault));
}

/** The youngest task of the fuller node gets a mate on the emptier one, which takes over once it runs. */
function moveOf(
  view: StateView,
  revision: Revision,
  tasks: readonly Task[],
  { from, to }: Shift,
  now: Instant,
): Decision | undefined {
  const old = tasks
    .filter(({ nodeId }) => nodeId === from)
    .sort(byAge)
    .at(-1);
  if (old === undefined) return undefined;
  const seed = `move of ${old.id} to ${to}/${view.index}`;
  const place = { slot: old.slot, nodeId: to };
  const object: Task = { ...newTask(revision, place, 'running', seed, now), movedFrom: from };
  return {
    kind: 'transaction',
    key: rebalanceKey,
    reason: 'rebalance: move to a node with fewer tasks',
    changes: [{ op: 'create', table: 'task', object }],
  };
}
