import type { AppliedChange, StateView, Task } from '@shoal/state';
import { Group } from './group.ts';
import { standing } from './standing.ts';

/**
 * Who waits of the services that are this scheduler's, and what has to be looked at in the next step. A
 * cache of the state, like the ledger; built anew when services come to be its or another's.
 */
export class Queue {
  /** Service id → its groups: one, but while its revisions change. */
  readonly #groups = new Map<string, readonly Group[]>();
  /** Node id → tasks whose node was chosen at their creation. */
  readonly #preassigned = new Map<string, Set<string>>();
  readonly #calledOff = new Set<string>();
  readonly #fresh = new Set<Group>();
  /** Groups whose tasks wait for a node to change. */
  readonly #waiting = new Set<Group>();
  readonly #freshPreassigned = new Set<string>();
  #mine: (serviceId: string) => boolean = () => false;

  rebuild(view: StateView, mine: (serviceId: string) => boolean): void {
    this.#mine = mine;
    this.#groups.clear();
    this.#preassigned.clear();
    this.#calledOff.clear();
    this.#fresh.clear();
    this.#waiting.clear();
    this.#freshPreassigned.clear();
    for (const task of view.tasks.byState('pending')) this.#enter(task);
  }

  apply(change: AppliedChange): void {
    if (change.table === 'network')
      for (const groups of this.#groups.values()) for (const group of groups) this.refresh(group);
    if (change.table === 'task') this.#applyTask(change.before, change.after);
  }

  /** Looks at everything of the service again: what was decided for it was refused, or a gate opened. */
  recheck(serviceId: string, view: StateView): void {
    for (const group of this.#groups.get(serviceId) ?? []) this.refresh(group);
    if (this.#preassigned.size === 0) return;
    for (const task of view.tasks.byService(serviceId)) this.recheckTask(task);
  }

  /** Looks at the task again if it waits for the node that it was made for. */
  recheckTask(task: Task | undefined): void {
    if (task === undefined || !this.#preassigned.get(task.nodeId)?.has(task.id)) return;
    this.#freshPreassigned.add(task.id);
  }

  /** Looks at the groups of the service again, which may have a text to write by now. */
  recheckText(serviceId: string): void {
    for (const group of this.#groups.get(serviceId) ?? []) this.#fresh.add(group);
  }

  /** Groups with something to look at, longest waiting first. */
  *groups(journalPosition: number): IterableIterator<Group> {
    for (const group of this.#waiting) if (group.lookedAt < journalPosition) this.#fresh.add(group);
    yield* this.#fresh;
  }

  /** Whether any task waits for the one node that it was made for. */
  get hasPreassigned(): boolean {
    return this.#preassigned.size > 0;
  }

  /** The tasks that were chosen for this node are looked at again. */
  recheckNode(nodeId: string): void {
    for (const id of this.#preassigned.get(nodeId) ?? []) this.#freshPreassigned.add(id);
  }

  /** Whether any of them is yet to be looked at. */
  get hasFreshPreassigned(): boolean {
    return this.#freshPreassigned.size > 0;
  }

  /** At most `most` of the preassigned tasks with something to look at. */
  preassigned(most: number): readonly string[] {
    const ids = [...this.#freshPreassigned].slice(0, most);
    for (const id of ids) this.#freshPreassigned.delete(id);
    return ids.sort();
  }

  /** Tasks that were told to stop before they got a node. */
  calledOff(): readonly string[] {
    return [...this.#calledOff].sort();
  }

  /** The group was looked at; `waits` says that some of its tasks were left without a node. */
  looked(group: Group, waits: boolean): void {
    this.#fresh.delete(group);
    if (waits) this.#waiting.add(group);
    else this.#waiting.delete(group);
  }

  refresh(group: Group): void {
    group.refresh();
    this.#fresh.add(group);
  }

  #applyTask(before: Task | undefined, after: Task | undefined): void {
    const was = before === undefined ? 'settled' : standing(before);
    const is = after === undefined ? 'settled' : standing(after);
    if (was === is) return;
    if (before !== undefined && was !== 'settled') this.#leave(before);
    if (after !== undefined) this.#enter(after);
  }

  #enter(task: Task): void {
    const now = standing(task);
    if (now === 'settled' || !this.#mine(task.serviceId)) return;
    if (now === 'called-off') this.#calledOff.add(task.id);
    if (now === 'waits-on-its-node') {
      const tasks = this.#preassigned.get(task.nodeId) ?? new Set();
      this.#preassigned.set(task.nodeId, tasks.add(task.id));
      this.#freshPreassigned.add(task.id);
    }
    if (now !== 'waits') return;
    const group = this.#groupOf(task);
    group.add(task);
    this.refresh(group);
  }

  #groupOf({ serviceId, revision }: Task): Group {
    const known = this.#groups.get(serviceId);
    const same = known?.find((group) => group.revision === revision);
    if (same !== undefined) return same;
    const group = new Group(serviceId, revision);
    this.#groups.set(serviceId, known === undefined ? [group] : [...known, group]);
    return group;
  }

  #leave(task: Task): void {
    if (this.#calledOff.size > 0) this.#calledOff.delete(task.id);
    if (task.nodeId !== '') {
      this.#freshPreassigned.delete(task.id);
      const preassigned = this.#preassigned.get(task.nodeId);
      preassigned?.delete(task.id);
      if (preassigned?.size === 0) this.#preassigned.delete(task.nodeId);
      return;
    }
    const groups = this.#groups.get(task.serviceId);
    const group = groups?.find(({ revision }) => revision === task.revision);
    if (groups === undefined || group === undefined || standing(task) !== 'waits') return;
    group.remove();
    if (group.size === 0) this.#drop(group, groups);
  }

  #drop(group: Group, ofService: readonly Group[]): void {
    if (ofService.length === 1) this.#groups.delete(group.serviceId);
    else
      this.#groups.set(
        group.serviceId,
        ofService.filter((one) => one !== group),
      );
    this.#fresh.delete(group);
    this.#waiting.delete(group);
  }
}
