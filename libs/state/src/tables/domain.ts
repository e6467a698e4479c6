import {
  type Lease,
  type Network,
  type Node,
  type Revision,
  type Service,
  type VolumeHome,
  volumeHomeId,
} from '../objects.ts';
import type {
  LeaseTableView,
  NetworkTableView,
  NodeTableView,
  RevisionTableView,
  ServiceTableView,
  VolumeHomeTableView,
} from '../view.ts';
import { type Row, RowIndex, UniqueIndex } from './row.ts';
import { Table } from './table.ts';

/**
 * Lower case for ASCII alone: names are ASCII, and the Unicode tables of two versions of Node.js
 * may differ, which replicas must not.
 */
export function foldCase(name: string): string {
  return name.replace(/[A-Z]+/g, (upper) => upper.toLowerCase());
}

export class NodeTable extends Table<Node> implements NodeTableView {
  readonly #byHostname = new RowIndex<string, Node>();

  byHostname(hostname: string): readonly Node[] {
    return [...this.#byHostname.of(hostname)];
  }

  protected override moved(
    row: Row<Node>,
    before: Node | undefined,
    after: Node | undefined,
  ): void {
    this.#byHostname.move(row, before?.description?.Hostname, after?.description?.Hostname);
  }
}

export class ServiceTable extends Table<Service> implements ServiceTableView {
  readonly #byName = new UniqueIndex<string, Service>();

  byName(name: string): Service | undefined {
    return this.#byName.get(foldCase(name));
  }

  protected override moved(
    row: Row<Service>,
    before: Service | undefined,
    after: Service | undefined,
  ): void {
    this.#byName.move(row, before && foldCase(before.name), after && foldCase(after.name));
  }
}

export class NetworkTable extends Table<Network> implements NetworkTableView {
  readonly #byName = new UniqueIndex<string, Network>();

  byName(name: string): Network | undefined {
    return this.#byName.get(name);
  }

  protected override moved(
    row: Row<Network>,
    before: Network | undefined,
    after: Network | undefined,
  ): void {
    this.#byName.move(row, before?.spec.Name, after?.spec.Name);
  }
}

export class LeaseTable extends Table<Lease> implements LeaseTableView {
  readonly #byStage = new RowIndex<string, Lease>();

  byStage(stage: string): Iterable<Lease> {
    return this.#byStage.of(stage);
  }

  protected override moved(
    row: Row<Lease>,
    before: Lease | undefined,
    after: Lease | undefined,
  ): void {
    this.#byStage.move(row, before?.stage, after?.stage);
  }
}

export class VolumeHomeTable extends Table<VolumeHome> implements VolumeHomeTableView {
  readonly #byService = new RowIndex<string, VolumeHome>();

  of(serviceId: string, slot: number): VolumeHome | undefined {
    return this.get(volumeHomeId(serviceId, slot));
  }

  byService(serviceId: string): Iterable<VolumeHome> {
    return this.#byService.of(serviceId);
  }

  protected override moved(
    row: Row<VolumeHome>,
    before: VolumeHome | undefined,
    after: VolumeHome | undefined,
  ): void {
    this.#byService.move(row, before?.serviceId, after?.serviceId);
  }
}

export class RevisionTable extends Table<Revision> implements RevisionTableView {
  readonly #byService = new RowIndex<string, Revision>();
  /** Service id → number → revision: found without building the id of each. */
  readonly #byNumber = new Map<string, Map<number, Revision>>();

  of(serviceId: string, number: number): Revision | undefined {
    return this.#byNumber.get(serviceId)?.get(number);
  }

  byService(serviceId: string): Iterable<Revision> {
    return this.#byService.of(serviceId);
  }

  protected override moved(
    row: Row<Revision>,
    before: Revision | undefined,
    after: Revision | undefined,
  ): void {
    this.#byService.move(row, before?.serviceId, after?.serviceId);
    if (before !== undefined) this.#forget(before);
    if (after !== undefined) this.#remember(after);
  }

  #forget({ serviceId, number }: Revision): void {
    const numbers = this.#byNumber.get(serviceId);
    numbers?.delete(number);
    if (numbers?.size === 0) this.#byNumber.delete(serviceId);
  }

  #remember(revision: Revision): void {
    const numbers = this.#byNumber.get(revision.serviceId);
    if (numbers === undefined)
      this.#byNumber.set(revision.serviceId, new Map([[revision.number, revision]]));
    else numbers.set(revision.number, revision);
  }
}
