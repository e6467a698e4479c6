import type { StateObject, TableName, Tables } from '../objects.ts';
import type { StateTables } from '../tables/state-tables.ts';
import type { Refusal } from '../transaction.ts';

/** What one table asks of a change, beyond existence and version. A rule that is absent always holds. */
export interface TableRules<T extends StateObject> {
  create?(tables: StateTables, object: T): Refusal | undefined;
  update?(tables: StateTables, before: T, after: T): Refusal | undefined;
  remove?(tables: StateTables, object: T): Refusal | undefined;
  /**
   * Asked of every object that a transaction wrote and did not delete again, after all its changes:
   * so a service and its revision can refer to each other, whichever is written first.
   */
  settled?(tables: StateTables, object: T): Refusal | undefined;
}

export function missing(
  table: TableName,
  id: string,
  referenced: TableName,
  referencedId: string,
): Refusal {
  return { kind: 'missing-reference', table, id, referenced, referencedId };
}

export function inUse(table: TableName, id: string, by: TableName, byId: string): Refusal {
  return { kind: 'in-use', table, id, by, byId };
}

export function immutable(table: TableName, id: string, field: string): Refusal {
  return { kind: 'immutable', table, id, field };
}

export type RuleBook = { readonly [T in TableName]: TableRules<Tables[T]> };
