import { invariant } from '@shoal/runtime';
import { demandOf, holdsOnNode } from '../demand.ts';
import type { Config, Network, Secret, Service, TableName, Tables, Task } from '../objects.ts';
import type { AddressUse, NodeUsage } from '../view.ts';
import { AddressTable } from './address-table.ts';
import { Claims } from './claims.ts';
import {
  AttachmentTable,
  ClusterTable,
  DocumentTable,
  LeaseTable,
  NetworkTable,
  NodeTable,
  RevisionTable,
  ServiceTable,
  VolumeHomeTable,
} from './domain.ts';
import { ingressPortsOf, vnisOf } from './held.ts';
import type { Row } from './row.ts';
import type { Table } from './table.ts';
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
  'attachment',
  'secret',
  'config',
] as const satisfies readonly TableName[];

/** Every table, and the usage that follows from them. Writes check nothing: the rules come before. */
export class StateTables {
  readonly cluster = new ClusterTable();
  readonly node = new NodeTable();
  readonly network = new NetworkTable();
  readonly revision = new RevisionTable();
  readonly service = new ServiceTable(this.revision, this.network);
  readonly task = new TaskTable();
  readonly lease = new LeaseTable();
  readonly volumeHome = new VolumeHomeTable();
  readonly attachment = new AttachmentTable();
  readonly secret = new DocumentTable<Secret>();
  readonly config = new DocumentTable<Config>();
  readonly #usage = new UsageTable();
  readonly #addresses = new AddressTable();
  readonly #ports = new Claims<string>();
  readonly #vnis = new Claims<number>();

  usage(nodeId: string): NodeUsage {
    return this.#usage.of(nodeId);
  }

  addresses(networkId: string): AddressUse {
    return this.#addresses.of(networkId);
  }

  get ingressPorts(): ReadonlyMap<string, string> {
    return this.#ports.all;
  }

  get vnis(): ReadonlyMap<number, string> {
    return this.#vnis.all;
  }

  of<T extends TableName>(table: T): Table<Tables[T]> {
    return this[table] as unknown as Table<Tables[T]>;
  }

  insert<T extends TableName>(table: T, object: Tables[T]): void {
    this.of(table).insert(object);
    this.#moved(table, undefined, object);
  }

  replace<T extends TableName>(table: T, row: Row<Tables[T]>, after: Tables[T]): void {
    const before = row.value;
    this.of(table).replace(row, after);
    this.#moved(table, before, after);
  }

  remove<T extends TableName>(table: T, before: Tables[T]): Row<Tables[T]> {
    this.#moved(table, before, undefined);
    return this.of(table).remove(before.id);
  }

  reinsert<T extends TableName>(table: T, row: Row<Tables[T]>): void {
    this.of(table).reinsert(row);
    this.#moved(table, undefined, row.value);
  }

  /** Keeps what is counted across tables. */
  #moved<T extends TableName>(
    table: T,
    before: Tables[T] | undefined,
    after: Tables[T] | undefined,
  ): void {
    if (table === 'task') this.#recount(before as Task | undefined, after as Task | undefined);
    this.#addresses.moved(table, before, after);
    const id = (after ?? before)?.id ?? '';
    if (table === 'node' && after === undefined) this.#usage.dropIfEmpty(id);
    if (table === 'service')
      this.#ports.move(id, ...both<Service, string>(before, after, ingressPortsOf));
    if (table === 'network') this.#vnis.move(id, ...both<Network, number>(before, after, vnisOf));
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
    if (!holds && this.node.get(task.nodeId) === undefined) this.#usage.dropIfEmpty(task.nodeId);
  }
}

function both<T, K>(
  before: unknown,
  after: unknown,
  keysOf: (object: T) => readonly K[],
): readonly [readonly K[], readonly K[]] {
  const of = (object: unknown): readonly K[] => (object === undefined ? [] : keysOf(object as T));
  return [of(before), of(after)];
}
