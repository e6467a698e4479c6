import type { StateView, Task } from '@shoal/state';
import { isLive } from './unsettled.ts';

/** Where a task of a service belongs: its slot, or its node for services that run once on each. */
export interface Place {
  readonly serviceId: string;
  /** 0 for services that run on every node. */
  readonly slot: number;
  /** Empty for services with slots. */
  readonly nodeId: string;
}

export interface TouchedPlace {
  readonly place: Place;
  /** The task that lived there at the begin; undefined when there was none. */
  readonly before: Task | undefined;
}

/** Places of which a task was written, and what lived there before the first write. */
export class Touched {
  readonly #places = new Map<string, { place: Place; before: Task | undefined }>();
  /** Tasks that were made since. */
  readonly #made = new Set<string>();

  clear(): void {
    this.#places.clear();
    this.#made.clear();
  }

  values(): Iterable<TouchedPlace> {
    return this.#places.values();
  }

  isMade({ id }: Task): boolean {
    return this.#made.has(id);
  }

  note(view: StateView, before: Task | undefined, after: Task | undefined): void {
    const task = after ?? before;
    if (task === undefined) return;
    if (before === undefined) this.#made.add(task.id);
    const place = placeOf(view, task);
    const key = `${place.serviceId}.${place.slot}.${place.nodeId}`;
    const known = this.#places.get(key) ?? { place, before: undefined };
    if (before !== undefined && isLive(before) && !this.#made.has(before.id))
      known.before ??= before;
    this.#places.set(key, known);
  }
}

export function placeOf(view: StateView, { serviceId, slot, nodeId, revision }: Task): Place {
  const mode = view.revisions.of(serviceId, revision)?.spec.Mode;
  const everywhere = mode?.Global !== undefined || mode?.GlobalJob !== undefined;
  return { serviceId, slot, nodeId: everywhere ? nodeId : '' };
}

/** The task that lives in the place and got furthest; of equals the youngest. */
export function liveIn(view: StateView, { serviceId, slot, nodeId }: Place): Task | undefined {
  let best: Task | undefined;
  for (const task of view.tasks.bySlot(serviceId, slot)) {
    if (!isLive(task) || (nodeId !== '' && task.nodeId !== nodeId)) continue;
    if (best === undefined || best.status.state !== 'running') best = task;
  }
  return best;
}
