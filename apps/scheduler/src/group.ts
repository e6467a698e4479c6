import type { Instant } from '@shoal/runtime';
import type { StateView, Task } from '@shoal/state';
import { waitsForNode } from './standing.ts';

const none: Task[] = [];

/** Tasks of one service revision that wait for a node; one stands for all when nodes are looked at. */
export class Group {
  readonly serviceId: string;
  readonly revision: number;
  /** Where the journal was when the group was last looked at. */
  lookedAt = -1;
  /** What all waiting tasks say since `textAt`; undefined when that is not known. */
  text: string | undefined;
  textAt = 0 as Instant;
  /** By slot once sorted; those that wait no more are passed over. */
  #ids: string[] = [];
  #size = 0;
  /** How many at the front of `#ids` wait no more. */
  #left = 0;
  #isSorted = true;

  constructor(serviceId: string, revision: number) {
    this.serviceId = serviceId;
    this.revision = revision;
  }

  /** Tasks that wait. */
  get size(): number {
    return this.#size;
  }

  add({ id }: Task): void {
    // Very many groups are of one task: a list of one takes less room than one that is to grow.
    if (this.#ids.length === 0) this.#ids = [id];
    else this.#isSorted = this.#ids.push(id) === 1;
    this.#size += 1;
  }

  /** One of them waits no more. */
  remove(): void {
    this.#size -= 1;
  }

  /** What was known of the group no longer holds. */
  refresh(): void {
    this.text = undefined;
    this.lookedAt = -1;
  }

  /** The waiting tasks by slot, at most `most`. */
  first(view: StateView, most: number): readonly Task[] {
    if (!this.#isSorted) this.#sort(view);
    let found = none;
    for (let at = this.#left; at < this.#ids.length && found.length < most; at += 1) {
      const task = view.tasks.get(this.#ids[at] ?? '');
      if (task === undefined || !waitsForNode(task)) {
        if (at === this.#left) this.#left += 1;
      } else if (found === none) found = [task];
      else found.push(task);
    }
    return found;
  }

  /** The waiting tasks by slot, from the one at position `from` on. */
  *inOrder(view: StateView, from: number): Generator<Task, void> {
    if (!this.#isSorted) this.#sort(view);
    let position = -1;
    for (let at = this.#left; at < this.#ids.length; at += 1) {
      const task = view.tasks.get(this.#ids[at] ?? '');
      if (task !== undefined && waitsForNode(task)) {
        position += 1;
        if (position >= from) yield task;
      } else if (at === this.#left) this.#left += 1;
    }
  }

  #sort(view: StateView): void {
    const tasks: Task[] = [];
    for (const id of this.#ids) {
      const task = view.tasks.get(id);
      if (task !== undefined && waitsForNode(task)) tasks.push(task);
    }
    this.#ids = tasks.sort(bySlot).map(({ id }) => id);
    this.#left = 0;
    this.#isSorted = true;
  }
}

function bySlot(a: Task, b: Task): number {
  return a.slot - b.slot || (a.id < b.id ? -1 : 1);
}
