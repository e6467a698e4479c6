/** Which of its places a row keeps for an index. The indices of one table have different ones. */
export type Places = 0 | 1 | 2;

/** One object's place in its table. The place stays while the object's value is replaced. */
export class Row<T> {
  value: T;
  /** Rank by creation within the table. */
  readonly order: number;
  #first = 0;
  #second = 0;
  #third = 0;

  constructor(value: T, order: number) {
    this.value = value;
    this.order = order;
  }

  /** Its place in a list of the index that has these `places`. */
  at(places: Places): number {
    if (places === 0) return this.#first;
    return places === 1 ? this.#second : this.#third;
  }

  put(places: Places, at: number): void {
    if (places === 0) this.#first = at;
    else if (places === 1) this.#second = at;
    else this.#third = at;
  }
}

export function byOrder(a: Row<unknown>, b: Row<unknown>): number {
  return a.order - b.order;
}

/** The values of rows, holes left out. The same as a generator, which cannot be compiled into its callers. */
export class RowValues<T> implements IterableIterator<T> {
  readonly #rows: Iterator<Row<T> | undefined, unknown>;

  constructor(rows: Iterator<Row<T> | undefined, unknown>) {
    this.#rows = rows;
  }

  next(): IteratorResult<T> {
    for (;;) {
      const { done, value } = this.#rows.next();
      if (done === true) return { done, value: undefined };
      if (value !== undefined) return { done: false, value: value.value };
    }
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * Rows with one property in common, iterated by creation. A replica that saw every entry and one
 * that began with a snapshot must iterate alike, so the order of joining must not show: rows that
 * join late make the set sort itself, at the next iteration only.
 */
class RowSet<T> implements Iterable<T> {
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

  [Symbol.iterator](): IterableIterator<T> {
    if (!this.#sorted) this.#sort();
    return new RowValues(this.#rows.values());
  }

  #sort(): void {
    const rows = [...this.#rows].sort(byOrder);
    this.#rows = new Set(rows);
    this.#lastOrder = rows.at(-1)?.order ?? -1;
    this.#sorted = true;
  }
}

/** Lists up to this long are not made shorter when rows leave. */
const shortList = 32;

/**
 * Rows alike in a property of which each has one value at most, iterated by creation. A row knows its place,
 * so that joining and leaving hash nothing; rows that left leave holes until there are more holes than rows.
 */
class RowList<T> implements Iterable<T> {
  readonly #places: Places;
  #rows: (Row<T> | undefined)[];
  #size = 1;
  #lastOrder: number;
  #sorted = true;

  /** Begins with one row: very many lists never have another. */
  constructor(places: Places, first: Row<T>) {
    this.#places = places;
    this.#rows = [first];
    this.#lastOrder = first.order;
    first.put(places, 0);
  }

  get size(): number {
    return this.#size;
  }

  add(row: Row<T>): void {
    if (row.order < this.#lastOrder) this.#sorted = false;
    else this.#lastOrder = row.order;
    row.put(this.#places, this.#rows.push(row) - 1);
    this.#size += 1;
  }

  delete(row: Row<T>): void {
    const at = row.at(this.#places);
    if (this.#rows[at] !== row) return;
    this.#rows[at] = undefined;
    this.#size -= 1;
    if (this.#rows.length > shortList && this.#rows.length > 2 * this.#size) this.#close();
  }

  /** Whoever iterates keeps to the list as it is when holes are closed meanwhile. */
  [Symbol.iterator](): IterableIterator<T> {
    if (!this.#sorted) this.#sort();
    return new RowValues(this.#rows.values());
  }

  #close(): void {
    this.#put(this.#rows.filter((row) => row !== undefined));
  }

  #sort(): void {
    this.#put(this.#rows.filter((row) => row !== undefined).sort(byOrder));
    this.#lastOrder = this.#rows.at(-1)?.order ?? -1;
    this.#sorted = true;
  }

  #put(rows: Row<T>[]): void {
    this.#rows = rows;
    for (let at = 0; at < rows.length; at += 1) rows[at]?.put(this.#places, at);
  }
}

const none: readonly never[] = [];

/** Rows by one property that many may share. */
export class RowIndex<K, T> {
  readonly #places: Places;
  readonly #lists = new Map<K, RowList<T>>();

  /** `places` is this index's alone among those of its table. */
  constructor(places: Places) {
    this.#places = places;
  }

  of(key: K): Iterable<T> {
    return this.#lists.get(key) ?? none;
  }

  count(key: K): number {
    return this.#lists.get(key)?.size ?? 0;
  }

  /** Moves the row between keys; `undefined` means it is not in the index. */
  move(row: Row<T>, from: K | undefined, to: K | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#leave(row, from);
    if (to !== undefined) this.#join(row, to);
  }

  #leave(row: Row<T>, key: K): void {
    const list = this.#lists.get(key);
    list?.delete(row);
    if (list?.size === 0) this.#lists.delete(key);
  }

  #join(row: Row<T>, key: K): void {
    const list = this.#lists.get(key);
    if (list === undefined) this.#lists.set(key, new RowList(this.#places, row));
    else list.add(row);
  }
}

/** Rows by a property of which each row may have several values. */
export class ManyIndex<K, T> {
  readonly #sets = new Map<K, RowSet<T>>();

  of(key: K): Iterable<T> {
    return this.#sets.get(key) ?? none;
  }

  count(key: K): number {
    return this.#sets.get(key)?.size ?? 0;
  }

  move(row: Row<T>, from: readonly K[], to: readonly K[]): void {
    if (from.length === to.length && from.every((key, at) => key === to[at])) return;
    for (const key of from) this.#leave(row, key);
    for (const key of to) this.#join(row, key);
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
