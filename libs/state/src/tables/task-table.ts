import type { Task } from '../objects.ts';
import type { TaskState } from '../task-state.ts';
import type { TaskTableView } from '../view.ts';
import { attachmentsOf, keepsNetworks } from './held.ts';
import { byOrder, ManyIndex, type Row, RowIndex } from './row.ts';
import { Table } from './table.ts';

const none: readonly never[] = [];

export class TaskTable extends Table<Task> implements TaskTableView {
  readonly #byService = new RowIndex<string, Task>(0);
  readonly #byNode = new RowIndex<string, Task>(1);
  readonly #byState = new RowIndex<TaskState, Task>(2);
  readonly #bySlot = new SlotIndex();
  readonly #byNetwork = new ManyIndex<string, Task>();

  byService(serviceId: string): Iterable<Task> {
    return this.#byService.of(serviceId);
  }

  byNode(nodeId: string): Iterable<Task> {
    return this.#byNode.of(nodeId);
  }

  bySlot(serviceId: string, slot: number): Iterable<Task> {
    return slot === 0
      ? [...this.#byService.of(serviceId)].filter((task) => task.slot === 0)
      : this.#bySlot.of(serviceId, slot);
  }

  byState(state: TaskState): Iterable<Task> {
    return this.#byState.of(state);
  }

  byNetwork(networkId: string): Iterable<Task> {
    return this.#byNetwork.of(networkId);
  }

  protected override moved(
    row: Row<Task>,
    before: Task | undefined,
    after: Task | undefined,
  ): void {
    this.#byState.move(row, before?.status.state, after?.status.state);
    this.#byNode.move(row, before?.nodeId || undefined, after?.nodeId || undefined);
    if (!keepsNetworks(before, after))
      this.#byNetwork.move(row, networksOf(before), networksOf(after));
    if (before !== undefined && after !== undefined) return;
    // Service and slot never change in a task's life.
    this.#byService.move(row, before?.serviceId, after?.serviceId);
    if (after !== undefined) this.#bySlot.add(row);
    else if (before !== undefined) this.#bySlot.delete(row);
  }
}

function networksOf(task: Task | undefined): readonly string[] {
  const attachments = task === undefined ? none : attachmentsOf(task);
  return attachments.length === 0 ? none : attachments.map(({ networkId }) => networkId);
}

/**
 * The few tasks of each slot, in plain arrays: there are about as many slots as tasks, and a set for
 * each would cost more than the tasks. Slot 0 is no slot (global services) and is not kept here.
 */
class SlotIndex {
  readonly #services = new Map<string, Map<number, readonly Row<Task>[]>>();

  of(serviceId: string, slot: number): readonly Task[] {
    return (
      this.#services
        .get(serviceId)
        ?.get(slot)
        ?.map((row) => row.value) ?? none
    );
  }

  add(row: Row<Task>): void {
    const { serviceId, slot } = row.value;
    if (slot === 0) return;
    let slots = this.#services.get(serviceId);
    if (slots === undefined) {
      slots = new Map();
      this.#services.set(serviceId, slots);
    }
    const rows = slots.get(slot);
    slots.set(slot, rows === undefined ? [row] : [...rows, row].sort(byOrder));
  }

  delete(row: Row<Task>): void {
    const { serviceId, slot } = row.value;
    const slots = this.#services.get(serviceId);
    const rows = slots?.get(slot);
    if (slots === undefined || rows === undefined) return;
    const left = rows.filter((other) => other !== row);
    if (left.length > 0) slots.set(slot, left);
    else slots.delete(slot);
    if (slots.size === 0) this.#services.delete(serviceId);
  }
}
