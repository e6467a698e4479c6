import { publishesIngress } from '../attached-networks.ts';
import {
  type Attachment,
  type Cluster,
  type Config,
  type Lease,
  type Network,
  type Node,
  type Revision,
  type Secret,
  type Service,
  type VolumeHome,
  volumeHomeId,
} from '../objects.ts';
import type {
  AttachmentTableView,
  DocumentTableView,
  LeaseTableView,
  NetworkTableView,
  NodeTableView,
  RevisionTableView,
  ServiceTableView,
  VolumeHomeTableView,
} from '../view.ts';
import { ManyIndex, type Row, RowIndex, UniqueIndex } from './row.ts';
import { Table } from './table.ts';

/**
 * Lower case for ASCII alone: names are ASCII, and the Unicode tables of two versions of Node.js
 * may differ, which replicas must not.
 */
export function foldCase(name: string): string {
  return name.replace(/[A-Z]+/g, (upper) => upper.toLowerCase());
}

/** The rules let in one object at most. */
export class ClusterTable extends Table<Cluster> {
  #only: Cluster | undefined;

  get only(): Cluster | undefined {
    return this.#only;
  }

  protected override moved(
    _row: Row<Cluster>,
    _before: Cluster | undefined,
    after: Cluster | undefined,
  ): void {
    this.#only = after;
  }
}

export class NodeTable extends Table<Node> implements NodeTableView {
  readonly #byHostname = new RowIndex<string, Node>(0);

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
  readonly #revisions: RevisionTable;
  readonly #networks: NetworkTable;

  constructor(revisions: RevisionTable, networks: NetworkTable) {
    super();
    this.#revisions = revisions;
    this.#networks = networks;
  }

  byNetwork(networkId: string): readonly Service[] {
    const revisions = [...this.#revisions.attachedTo(networkId)];
    if (this.#networks.ingress?.id === networkId)
      for (const revision of this.#revisions.publishing()) revisions.push(revision);
    return this.#whoseCurrent(revisions);
  }

  byDocument(kind: 'secret' | 'config', id: string): readonly Service[] {
    return this.#whoseCurrent(this.#revisions.given(kind, id));
  }

  #whoseCurrent(revisions: Iterable<Revision>): readonly Service[] {
    const services = new Set<Service>();
    for (const { serviceId, number } of revisions) {
      const service = this.get(serviceId);
      if (service?.revision === number) services.add(service);
    }
    return [...services];
  }

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
  readonly #byRole = new RowIndex<'ingress', Network>(0);
  readonly #byNameAnyCase = new RowIndex<string, Network>(1);

  get ingress(): Network | undefined {
    const [first] = this.#byRole.of('ingress');
    return first;
  }

  byName(name: string): Network | undefined {
    return this.#byName.get(name);
  }

  byNameAnyCase(name: string): Network | undefined {
    const [first] = this.#byNameAnyCase.of(foldCase(name));
    return first;
  }

  protected override moved(
    row: Row<Network>,
    before: Network | undefined,
    after: Network | undefined,
  ): void {
    this.#byName.move(row, before?.spec.Name, after?.spec.Name);
    this.#byNameAnyCase.move(
      row,
      before && foldCase(before.spec.Name),
      after && foldCase(after.spec.Name),
    );
    this.#byRole.move(row, roleOf(before), roleOf(after));
  }
}

function roleOf(network: Network | undefined): 'ingress' | undefined {
  return network?.spec.Ingress === true ? 'ingress' : undefined;
}

/** Secrets, or configs. */
export class DocumentTable<T extends Secret | Config>
  extends Table<T>
  implements DocumentTableView<T>
{
  readonly #byName = new UniqueIndex<string, T>();
  readonly #byNameAnyCase = new RowIndex<string, T>(0);

  byName(name: string): T | undefined {
    return this.#byName.get(name);
  }

  byNameAnyCase(name: string): T | undefined {
    const [first] = this.#byNameAnyCase.of(foldCase(name));
    return first;
  }

  protected override moved(row: Row<T>, before: T | undefined, after: T | undefined): void {
    this.#byName.move(row, before?.spec.Name, after?.spec.Name);
    this.#byNameAnyCase.move(
      row,
      before && foldCase(before.spec.Name),
      after && foldCase(after.spec.Name),
    );
  }
}

export class AttachmentTable extends Table<Attachment> implements AttachmentTableView {
  readonly #byNode = new RowIndex<string, Attachment>(0);
  readonly #byNetwork = new RowIndex<string, Attachment>(1);
  readonly #given = new RowIndex<string, Attachment>(2);

  byNode(nodeId: string): Iterable<Attachment> {
    return this.#byNode.of(nodeId);
  }

  byNetwork(networkId: string): Iterable<Attachment> {
    return this.#byNetwork.of(networkId);
  }

  countByNetwork(networkId: string, kind: Attachment['kind']): number {
    return this.#given.count(givenKey(networkId, kind));
  }

  protected override moved(
    row: Row<Attachment>,
    before: Attachment | undefined,
    after: Attachment | undefined,
  ): void {
    this.#byNode.move(row, before?.nodeId, after?.nodeId);
    this.#byNetwork.move(row, before?.networkId, after?.networkId);
    this.#given.move(row, given(before), given(after));
  }
}

function givenKey(networkId: string, kind: Attachment['kind']): string {
  return `${kind} ${networkId}`;
}

function given(attachment: Attachment | undefined): string | undefined {
  if (attachment === undefined || attachment.addresses.length === 0) return undefined;
  return givenKey(attachment.networkId, attachment.kind);
}

export class LeaseTable extends Table<Lease> implements LeaseTableView {
  readonly #byStage = new RowIndex<string, Lease>(0);

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
  readonly #byService = new RowIndex<string, VolumeHome>(0);

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
  readonly #byService = new RowIndex<string, Revision>(0);
  readonly #byNetwork = new ManyIndex<string, Revision>();
  /** By kind and id of the secrets and configs it names. */
  readonly #byDocument = new ManyIndex<string, Revision>();
  readonly #publishing = new RowIndex<true, Revision>(1);
  /** Service id → its revisions: few, found without building the id of each. */
  readonly #ofService = new Map<string, readonly Revision[]>();
  /** The one found last: an update of a task asks for it several times in a row. */
  #last: Revision | undefined;

  of(serviceId: string, number: number): Revision | undefined {
    const last = this.#last;
    if (last !== undefined && last.serviceId === serviceId && last.number === number) return last;
    const found = this.#ofService.get(serviceId)?.find((revision) => revision.number === number);
    this.#last = found;
    return found;
  }

  byService(serviceId: string): Iterable<Revision> {
    return this.#byService.of(serviceId);
  }

  /** Revisions whose tasks join the network by their spec. */
  attachedTo(networkId: string): Iterable<Revision> {
    return this.#byNetwork.of(networkId);
  }

  /** Revisions whose tasks are given the secret or config. */
  given(kind: 'secret' | 'config', id: string): Iterable<Revision> {
    return this.#byDocument.of(`${kind} ${id}`);
  }

  /** Revisions that publish ports by the routing mesh. */
  publishing(): Iterable<Revision> {
    return this.#publishing.of(true);
  }

  protected override moved(
    row: Row<Revision>,
    before: Revision | undefined,
    after: Revision | undefined,
  ): void {
    this.#byService.move(row, before?.serviceId, after?.serviceId);
    this.#byNetwork.move(row, targetsOf(before), targetsOf(after));
    this.#byDocument.move(row, documentsOf(before), documentsOf(after));
    this.#publishing.move(row, publishes(before), publishes(after));
    this.#last = undefined;
    const { serviceId } = row.value;
    const others = this.#ofService.get(serviceId)?.filter((one) => one.id !== row.value.id) ?? [];
    if (after !== undefined) this.#ofService.set(serviceId, [...others, after]);
    else if (others.length > 0) this.#ofService.set(serviceId, others);
    else this.#ofService.delete(serviceId);
  }
}

const none: readonly never[] = [];

function targetsOf(revision: Revision | undefined): readonly string[] {
  const networks = revision?.spec.TaskTemplate.Networks;
  return networks === undefined ? none : [...new Set(networks.map(({ Target }) => Target))];
}

function documentsOf(revision: Revision | undefined): readonly string[] {
  const { Secrets, Configs } = revision?.spec.TaskTemplate.ContainerSpec ?? {};
  if (Secrets === undefined && Configs === undefined) return none;
  const keys = [
    ...(Secrets ?? []).map(({ SecretID }) => `secret ${SecretID}`),
    ...(Configs ?? []).map(({ ConfigID }) => `config ${ConfigID}`),
  ];
  return [...new Set(keys)];
}

function publishes(revision: Revision | undefined): true | undefined {
  return revision !== undefined && publishesIngress(revision) ? true : undefined;
}
