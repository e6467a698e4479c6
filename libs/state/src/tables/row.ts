/** One object's place in its table. The place stays while the object's value is replaced. */
export class Row<T> {
  value: T;
  /** Rank by creation within the table. */
  readonly order: number;

  constructor(value: T, order: number) {
    this.value = value;
    this.order = order;
  }
}

export function byOrder(a: Row<unknown>, b: Row<unknown>): number {
  return a.order - b.order;
}

/**
 * Rows with one property in common, iterated by creation. A replica that saw every entry and one
 * that began with a snapshot must iterate alike, so the order of joining must not show: rows that
 * join late make the set sort itself, at the next iteration only.
 */
export class RowSet<T> implements Iterable<T> {
  #rows = new Set<Row<T>>();
  #lastOrder = -1;
  #sorted = true;

  get size(): number {
    return this.#rows.size;
  }

  add(row: Row<T>): void {
    if (row.order < this.#lastOrder) this.#sorted = false;
    else this.#lastOrder = row.order;
    this.#rows.add(row);
  }

  delete(row: Row<T>): void {
    this.#rows.delete(row);
  }

  *[Symbol.iterator](): IterableIterator<T> {
    if (!this.#sorted) this.#sort();
    for (const row of this.#rows) yield row.value;
  }

  #sort(): void {
    const rows = [...this.#rows].sort(byOrder);
    this.#rows = new Set(rows);
    this.#lastOrder = rows.at(-1)?.order ?? -1;
    this.#sorted = true;
  }
}

const none: readonly never[] = [];

/** Rows by one property that many may share. */
export class RowIndex<K, T> {
  readonly #sets = new Map<K, RowSet<T>>();

  of(key: K): Iterable<T> {
    return this.#sets.get(key) ?? none;
  }

  count(key: K): number {
    return this.#sets.get(key)?.size ?? 0;
  }

  /** Moves the row between keys; `undefined` means it is not in the index. */
  move(row: Row<T>, from: K | undefined, to: K | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#leave(row, from);
    if (to !== undefined) this.#join(row, to);
  }

  #leave(row: Row<T>, key: K): void {
    const set = this.#sets.get(key);
    set?.delete(row);
    if (set?.size === 0) this.#sets.delete(key);
  }

  #join(row: Row<T>, key: K): void {
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = new RowSet();
      this.#sets.set(key, set);
    }
    set.add(row);
  }
}

/** Rows by a property of which each row may have several values. */
export class ManyIndex<K, T> {
  readonly #index = new RowIndex<K, T>();

  of(key: K): Iterable<T> {
    return this.#index.of(key);
  }

  count(key: K): number {
    return this.#index.count(key);
  }

  move(row: Row<T>, from: readonly K[], to: readonly K[]): void {
    if (from.length === to.length && from.every((key, at) => key === to[at])) return;
    for (const key of from) this.#index.move(row, key, undefined);
    for (const key of to) this.#index.move(row, undefined, key);
  }
}

/** Rows by a property that no two share. */
export class UniqueIndex<K, T> {
  readonly #rows = new Map<K, Row<T>>();

  get(key: K): T | undefined {
    return this.#rows.get(key)?.value;
  }

  move(row: Row<T>, from: K | undefined, to: K | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#rows.delete(from);
    if (to !== undefined) this.#rows.set(to, row);
  }
}
