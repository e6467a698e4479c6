import type { Network, Revision, StateView, Task } from '@shoal/state';
import { type TaskNetwork, taskNetworks } from './attachments.ts';
import { unlessNone } from './meta.ts';
import { attachedNetworkShape } from './network.ts';
import { taskShapeWith, taskSpecShape } from './task.ts';

/** Longest list whose texts are kept: some 700 bytes a task. Twice as many texts are kept at most. */
const keptMax = 8_192;

/** The text of a task, and what it was made of besides the task itself. */
interface Kept {
  readonly revision: Revision | undefined;
  readonly networks: readonly TaskNetwork[];
  readonly text: string;
}

/**
 * Writes tasks as `JSON.stringify(taskShape(…))` does. Texts are kept for as long as the records stand that they
 * were made of: whoever follows a swarm asks for the same list over and over.
 */
export class TaskTexts {
  readonly #specs = new WeakMap<Revision, object>();
  readonly #networks = new WeakMap<Network, object>();
  #kept = new WeakMap<Task, Kept>();
  /** Texts of the generation before: dropped when `#kept` is full once more. */
  #before = new WeakMap<Task, Kept>();
  #count = 0;

  /** Gathers what the tasks refer to, so that they can be written later as they are now. */
  gather(view: StateView, tasks: readonly Task[]): (task: Task, at: number) => string {
    const revisions = tasks.map(({ serviceId, revision }) =>
      view.revisions.of(serviceId, revision),
    );
    const all = new Map(Array.from(view.networks.values(), (one) => [one.id, one]));
    const write = tasks.length <= keptMax ? this.#text : this.#made;
    return (task, at) => {
      const revision = revisions[at];
      const networks = taskNetworks(task, revision, (id) => all.get(id));
      return write.call(this, task, revision, networks);
    };
  }

  #text(task: Task, revision: Revision | undefined, networks: Kept['networks']): string {
    const kept = this.#kept.get(task) ?? this.#before.get(task);
    if (kept !== undefined && kept.revision === revision && areSame(kept.networks, networks))
      return kept.text;
    const text = this.#made(task, revision, networks);
    if (this.#count >= keptMax) {
      this.#before = this.#kept;
      this.#kept = new WeakMap();
      this.#count = 0;
    }
    this.#kept.set(task, { revision, networks, text });
    this.#count += 1;
    return text;
  }

  #made(task: Task, revision: Revision | undefined, networks: Kept['networks']): string {
    const attachments = networks.map(({ network, addresses }) => ({
      Network: this.#networkOf(network),
      Addresses: addresses,
    }));
    return JSON.stringify(taskShapeWith(task, this.#specOf(revision), unlessNone(attachments)));
  }

  #specOf(revision: Revision | undefined): object {
    if (revision === undefined) return taskSpecShape(undefined);
    let shape = this.#specs.get(revision);
    if (shape === undefined) {
      shape = taskSpecShape(revision);
      this.#specs.set(revision, shape);
    }
    return shape;
  }

  #networkOf(network: Network): object {
    let shape = this.#networks.get(network);
    if (shape === undefined) {
      shape = attachedNetworkShape(network);
      this.#networks.set(network, shape);
    }
    return shape;
  }
}

/** The addresses are the task's own, which is the same; networks change without it. */
function areSame(some: readonly TaskNetwork[], others: readonly TaskNetwork[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ network }, at) => network === others[at]?.network)
  );
}
