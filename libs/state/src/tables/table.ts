import { invariant } from '@shoal/runtime';
import type { StateObject } from '../objects.ts';
import type { TableView } from '../view.ts';
import { byOrder, Row, RowValues } from './row.ts';

/** All objects of one kind. Checks nothing: the rules have been asked before. */
export class Table<T extends StateObject> implements TableView<T> {
  #rows = new Map<string, Row<T>>();
  #nextOrder = 0;
  /** False after an undone delete put a row back at the end of the map. */
  #sorted = true;

  get size(): number {
    return this.#rows.size;
  }

  get(id: string): T | undefined {
    return this.#rows.get(id)?.value;
  }

  values(): IterableIterator<T> {
    if (!this.#sorted) this.#sort();
    return new RowValues(this.#rows.values());
  }

  byIdPrefix(prefix: string, limit: number): readonly T[] {
    const found: T[] = [];
    for (const value of this.values()) {
      if (found.length >= limit) break;
      if (value.id.startsWith(prefix)) found.push(value);
    }
    return found;
  }

  insert(value: T): void {
    const row = new Row(value, this.#nextOrder);
    this.#nextOrder += 1;
    this.#rows.set(value.id, row);
    this.moved(row, undefined, value);
  }

  /** Where the object is: found once, it can be read and replaced without looking again. */
  row(id: string): Row<T> | undefined {
    return this.#rows.get(id);
  }

  replace(row: Row<T>, value: T): void {
    const before = row.value;
    row.value = value;
    this.moved(row, before, value);
  }

  /** The row is what {@link reinsert} needs to undo this. */
  remove(id: string): Row<T> {
    const row = this.#row(id);
    this.#rows.delete(id);
    this.moved(row, row.value, undefined);
    return row;
  }

  /** Puts a removed row back to where it was. */
  reinsert(row: Row<T>): void {
    this.#rows.set(row.value.id, row);
    this.#sorted = false;
    this.moved(row, undefined, row.value);
  }

  /** Tells the indices of a kind that a row came, changed or went. */
  protected moved(_row: Row<T>, _before: T | undefined, _after: T | undefined): void {}

  #row(id: string): Row<T> {
    const row = this.#rows.get(id);
    invariant(row !== undefined, 'no such row', { id });
    return row;
  }

  #sort(): void {
    const rows = [...this.#rows.values()].sort(byOrder);
    this.#rows = new Map(rows.map((row) => [row.value.id, row]));
    this.#sorted = true;
  }
}
