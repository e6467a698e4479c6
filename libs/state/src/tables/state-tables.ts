import { invariant } from '@shoal/runtime';
import { demandOf, holdsOnNode } from '../demand.ts';
import type { Cluster, TableName, Tables, Task } from '../objects.ts';
import type { NodeUsage } from '../view.ts';
import {
  LeaseTable,
  NetworkTable,
  NodeTable,
  RevisionTable,
  ServiceTable,
  VolumeHomeTable,
} from './domain.ts';
import type { Row } from './row.ts';
import { Table } from './table.ts';
import { TaskTable } from './task-table.ts';
import { UsageTable } from './usage-table.ts';

/** Snapshots hold the tables in this order: what is referenced comes before what refers to it. */
export const tableOrder = [
  'cluster',
  'node',
  'network',
  'service',
  'revision',
  'task',
  'lease',
  'volumeHome',
] as const satisfies readonly TableName[];

/** Every table, and the usage that follows from them. Writes check nothing: the rules come before. */
export class StateTables {
  readonly cluster = new Table<Cluster>();
  readonly node = new NodeTable();
  readonly network = new NetworkTable();
  readonly service = new ServiceTable();
  readonly revision = new RevisionTable();
  readonly task = new TaskTable();
  readonly lease = new LeaseTable();
  readonly volumeHome = new VolumeHomeTable();
  readonly #usage = new UsageTable();

  usage(nodeId: string): NodeUsage {
    return this.#usage.of(nodeId);
  }

  of<T extends TableName>(table: T): Table<Tables[T]> {
    return this[table] as unknown as Table<Tables[T]>;
  }

  insert<T extends TableName>(table: T, object: Tables[T]): void {
    this.of(table).insert(object);
    if (table === 'task') this.#recount(undefined, object as Task);
  }

  replace<T extends TableName>(table: T, before: Tables[T], after: Tables[T]): void {
    this.of(table).replace(after);
    if (table === 'task') this.#recount(before as Task, after as Task);
  }

  remove<T extends TableName>(table: T, before: Tables[T]): Row<Tables[T]> {
    if (table === 'task') this.#recount(before as Task, undefined);
    return this.of(table).remove(before.id);
  }

  reinsert<T extends TableName>(table: T, row: Row<Tables[T]>): void {
    this.of(table).reinsert(row);
    if (table === 'task') this.#recount(undefined, row.value as Task);
  }

  #recount(before: Task | undefined, after: Task | undefined): void {
    const held = before !== undefined && holdsOnNode(before);
    const holds = after !== undefined && holdsOnNode(after);
    if (held === holds) return;
    const task = holds ? after : before;
    invariant(task !== undefined, 'a task neither came nor went');
    const revision = this.revision.of(task.serviceId, task.revision);
    invariant(revision !== undefined, 'a task without its revision', { task: task.id });
    this.#usage.count(task, demandOf(revision), holds ? 1 : -1);
  }
}
