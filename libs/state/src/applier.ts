import { assertNever, type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { Adoption } from './adoption.ts';
import type { StateObject, TableName, Tables } from './objects.ts';
import { ruleBook } from './rules/rule-book.ts';
import type { TableRules } from './rules/rules.ts';
import type { Row } from './tables/row.ts';
import type { StateTables } from './tables/state-tables.ts';
import type {
  AppliedChange,
  AppliedEntry,
  Change,
  Create,
  Delete,
  Outcome,
  Refusal,
  Transaction,
  Update,
} from './transaction.ts';

/** An {@link AppliedChange} whose table the compiler need not know. */
interface Written {
  readonly table: TableName;
  readonly id: string;
  readonly before: StateObject | undefined;
  readonly after: StateObject | undefined;
}

/**
 * Judges and writes the transactions of one entry, one after the other. Each change is written as
 * soon as it is judged, so that the next is judged on it; a refusal undoes what its transaction wrote.
 */
export class Applier {
  readonly #tables: StateTables;
  readonly #adoption: Adoption;
  #index = 0 as LogIndex;
  #time = 0 as Instant;
  /** Of the entry: committed changes, then those of the transaction being judged. */
  #written: Written[] = [];
  /** Where the transaction being judged begins in `#written`. */
  #begin = 0;
  /** Rows that the transaction being judged deleted, in order: an undo puts them back in place. */
  #deleted: Row<StateObject>[] = [];

  constructor(tables: StateTables, adoption: Adoption = new Adoption()) {
    this.#tables = tables;
    this.#adoption = adoption;
  }

  apply(index: LogIndex, time: Instant, transactions: readonly Transaction[]): AppliedEntry {
    this.#index = index;
    this.#time = time;
    this.#written = [];
    const outcomes = transactions.map((transaction) => this.#transaction(transaction));
    return { index, time, outcomes, changes: this.#written as AppliedChange[] };
  }

  #transaction({ id, lease, changes }: Transaction): Outcome {
    const { lease: leases } = this.#tables;
    if (lease !== undefined && leases.get(lease.id)?.meta.version !== lease.epoch)
      return this.#refused(id, -1, { kind: 'stale-lease', lease: lease.id, epoch: lease.epoch });
    this.#begin = this.#written.length;
    if (this.#deleted.length > 0) this.#deleted = [];
    for (let at = 0; at < changes.length; at += 1) {
      const refusal = this.#change(changes[at] as Change);
      if (refusal !== undefined) return this.#undone(id, at, refusal);
    }
    for (let at = 0; at < changes.length; at += 1) {
      const refusal = this.#settled(changes[at] as Change);
      if (refusal !== undefined) return this.#undone(id, at, refusal);
    }
    return { kind: 'committed', transaction: id, index: this.#index };
  }

  #change(change: Change): Refusal | undefined {
    switch (change.op) {
      case 'create':
        return this.#create(change as Create<TableName>);
      case 'update':
        return this.#update(change as Update<TableName>);
      case 'delete':
        return this.#delete(change);
      default:
        return assertNever(change);
    }
  }

  #create<T extends TableName>({ table, object }: Create<T>): Refusal | undefined {
    const { id } = object;
    if (this.#tables.of(table).get(id) !== undefined) return { kind: 'already-exists', table, id };
    const refusal = rulesOf(table).create?.(this.#tables, object);
    if (refusal !== undefined) return refusal;
    const meta = this.#adoption.meta(this.#index, this.#time, this.#time);
    const after = this.#adoption.adopt(table, object, undefined, meta);
    this.#tables.insert(table, after);
    this.#written.push({ table, id, before: undefined, after });
    return undefined;
  }

  #update<T extends TableName>({ table, object }: Update<T>): Refusal | undefined {
    const { id } = object;
    const row = this.#tables.of(table).row(id);
    if (row === undefined) return { kind: 'not-found', table, id };
    const before = row.value;
    const refusal =
      this.#conflict(table, before, object.meta.version) ??
      rulesOf(table).update?.(this.#tables, before, object);
    if (refusal !== undefined) return refusal;
    const meta = this.#adoption.meta(this.#index, before.meta.createdAt, this.#time);
    const after = this.#adoption.adopt(table, object, before, meta);
    this.#tables.replace(table, row, after);
    this.#written.push({ table, id, before, after });
    return undefined;
  }

  #delete({ table, id, version }: Delete): Refusal | undefined {
    const before = this.#tables.of(table).get(id);
    if (before === undefined) return { kind: 'not-found', table, id };
    const refusal =
      this.#conflict(table, before, version) ?? rulesOf(table).remove?.(this.#tables, before);
    if (refusal !== undefined) return refusal;
    this.#deleted.push(this.#tables.remove(table, before));
    this.#written.push({ table, id, before, after: undefined });
    return undefined;
  }

  /**
   * The version named must be the current one. What the transaction itself wrote before has the
   * entry's index as its version, which the writer could not know: then the version it read counts,
   * 0 for what the transaction itself created.
   */
  #conflict(table: TableName, current: StateObject, read: LogIndex): Refusal | undefined {
    const { version } = current.meta;
    if (read === version || (version === this.#index && this.#replaced(table, current.id, read)))
      return undefined;
    return { kind: 'version-conflict', table, id: current.id, read, current: version };
  }

  /** True when this transaction wrote over version `read` of the object (0: created it). */
  #replaced(table: TableName, id: string, read: LogIndex): boolean {
    for (let at = this.#begin; at < this.#written.length; at += 1) {
      const written = this.#written[at];
      if (written?.id === id && written.table === table && versionOf(written.before) === read)
        return true;
    }
    return false;
  }

  #settled(change: Change): Refusal | undefined {
    if (change.op === 'delete') return undefined;
    const rules = rulesOf(change.table);
    if (rules.settled === undefined) return undefined;
    const object = this.#tables.of(change.table).get(change.object.id);
    return object === undefined ? undefined : rules.settled(this.#tables, object);
  }

  #undone(transaction: string, change: number, refusal: Refusal): Outcome {
    while (this.#written.length > this.#begin) {
      const written = this.#written.pop();
      if (written !== undefined) this.#undo(written);
    }
    return this.#refused(transaction, change, refusal);
  }

  #undo({ table, before, after }: Written): void {
    if (after === undefined) {
      const row = this.#deleted.pop();
      invariant(row !== undefined, 'a delete without its row', { table });
      this.#tables.reinsert(table, row as Row<Tables[TableName]>);
    } else if (before === undefined) this.#tables.remove(table, after as Tables[TableName]);
    else {
      const row = this.#tables.of(table).row(before.id);
      invariant(row !== undefined, 'an update without its row', { table });
      this.#tables.replace(table, row, before as Tables[TableName]);
    }
  }

  #refused(transaction: string, change: number, refusal: Refusal): Outcome {
    return { kind: 'refused', transaction, index: this.#index, change, refusal };
  }
}

function rulesOf<T extends TableName>(table: T): TableRules<Tables[T]> {
  return ruleBook[table] as TableRules<StateObject> as TableRules<Tables[T]>;
}

function versionOf(object: StateObject | undefined): LogIndex {
  return object?.meta.version ?? (0 as LogIndex);
}
