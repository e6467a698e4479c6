import { type AppliedChange, isBefore, revisionId, type StateView, type Task } from '@shoal/state';

/** Tasks of one service revision that wait for a node; one stands for all when nodes are looked at. */
export class Group {
  readonly serviceId: string;
  readonly revision: number;
  readonly tasks = new Set<string>();
  /**
   * Node id → position of the filter it fails, kept while tasks had to be left without a node, so that
   * only nodes that changed are looked at again. Absent when nothing is known.
   */
  verdicts: Map<string, number> | undefined;

  constructor(serviceId: string, revision: number) {
    this.serviceId = serviceId;
    this.revision = revision;
  }

  /** The revision's id. */
  get key(): string {
    return revisionId(this.serviceId, this.revision);
  }
}

function groupKey(task: Task): string {
  return revisionId(task.serviceId, task.revision);
}

/** How a task concerns the scheduler. */
type Standing = 'waits' | 'waits-on-its-node' | 'called-off' | 'settled';

function standing({ status, desired, nodeId }: Task): Standing {
  if (status.state !== 'pending') return 'settled';
  if (desired === 'shutdown') return 'called-off';
  if (isBefore('complete', desired)) return 'settled';
  return nodeId === '' ? 'waits' : 'waits-on-its-node';
}

/** Who waits, and what has to be looked at in the next step. A cache of the state, like the ledger. */
export class Queue {
  readonly #groups = new Map<string, Group>();
  /** Node id → tasks whose node was chosen at their creation. */
  readonly #preassigned = new Map<string, Set<string>>();
  readonly #calledOff = new Set<string>();
  readonly #freshGroups = new Set<string>();
  readonly #freshPreassigned = new Set<string>();
  readonly #changedNodes = new Set<string>();

  rebuild(view: StateView): void {
    this.#groups.clear();
    this.#preassigned.clear();
    this.#calledOff.clear();
    this.settle();
    for (const task of view.tasks.byState('pending')) this.#enter(task);
  }

  apply(change: AppliedChange): void {
    if (change.table === 'node') this.#changedNodes.add(change.id);
    if (change.table === 'network') for (const group of this.#groups.values()) this.#refresh(group);
    if (change.table === 'task') this.#applyTask(change.before, change.after);
  }

  /** Looks at everything of the service again: what was decided for it was refused. */
  recheck(serviceId: string, view: StateView): void {
    for (const group of this.#groups.values())
      if (group.serviceId === serviceId) this.#refresh(group);
    for (const tasks of this.#preassigned.values())
      for (const id of tasks)
        if (view.tasks.get(id)?.serviceId === serviceId) this.#freshPreassigned.add(id);
  }

  /** Looks at the node again in the next step, whatever becomes of what this one placed there. */
  nodeMayChange(nodeId: string): void {
    this.#changedNodes.add(nodeId);
  }

  /** Groups with something to look at; in the order of their keys. */
  groups(): readonly Group[] {
    const nodesChanged = this.#changedNodes.size > 0;
    return [...this.#groups.values()]
      .filter(({ key, verdicts }) => (nodesChanged && verdicts) || this.#freshGroups.has(key))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Preassigned tasks with something to look at; in the order of their ids. */
  preassigned(): readonly string[] {
    const ids = new Set(this.#freshPreassigned);
    for (const nodeId of this.#changedNodes)
      for (const id of this.#preassigned.get(nodeId) ?? []) ids.add(id);
    return [...ids].sort();
  }

  /** Tasks that were told to stop before they got a node. */
  calledOff(): readonly string[] {
    return [...this.#calledOff].sort();
  }

  get changedNodes(): ReadonlySet<string> {
    return this.#changedNodes;
  }

  /** Everything was looked at. */
  settle(): void {
    this.#freshGroups.clear();
    this.#freshPreassigned.clear();
    this.#changedNodes.clear();
  }

  #applyTask(before: Task | undefined, after: Task | undefined): void {
    for (const task of [before, after])
      if (task !== undefined && task.nodeId !== '' && affectsNode(before, after))
        this.#changedNodes.add(task.nodeId);
    const was = before === undefined ? 'settled' : standing(before);
    const is = after === undefined ? 'settled' : standing(after);
    if (
      before !== undefined &&
      after !== undefined &&
      was === is &&
      groupKey(before) === groupKey(after)
    )
      return;
    if (before !== undefined) this.#leave(before);
    if (after !== undefined) this.#enter(after);
  }

  #enter(task: Task): void {
    const now = standing(task);
    if (now === 'called-off') this.#calledOff.add(task.id);
    if (now === 'waits-on-its-node') {
      const tasks = this.#preassigned.get(task.nodeId) ?? new Set();
      this.#preassigned.set(task.nodeId, tasks.add(task.id));
      this.#freshPreassigned.add(task.id);
    }
    if (now !== 'waits') return;
    const key = groupKey(task);
    const group = this.#groups.get(key) ?? new Group(task.serviceId, task.revision);
    this.#groups.set(key, group);
    group.tasks.add(task.id);
    this.#freshGroups.add(key);
  }

  #leave(task: Task): void {
    this.#calledOff.delete(task.id);
    this.#freshPreassigned.delete(task.id);
    const preassigned = this.#preassigned.get(task.nodeId);
    preassigned?.delete(task.id);
    if (preassigned?.size === 0) this.#preassigned.delete(task.nodeId);
    const key = groupKey(task);
    const group = this.#groups.get(key);
    group?.tasks.delete(task.id);
    if (group?.tasks.size === 0) this.#groups.delete(key);
  }

  #refresh(group: Group): void {
    group.verdicts = undefined;
    this.#freshGroups.add(group.key);
  }
}

/** True unless only texts moved: places, reservations and counts depend on the rest. */
function affectsNode(before: Task | undefined, after: Task | undefined): boolean {
  return (
    before === undefined ||
    after === undefined ||
    before.nodeId !== after.nodeId ||
    before.desired !== after.desired ||
    before.status.state !== after.status.state
  );
}
