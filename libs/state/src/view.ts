import type { Instant, LogIndex } from '@shoal/runtime';
import type { Family } from './address/address.ts';
import type {
  Attachment,
  Cluster,
  Config,
  Lease,
  Network,
  Node,
  Revision,
  Secret,
  Service,
  StateObject,
  Task,
  VolumeHome,
} from './objects.ts';
import type { TaskState } from './task-state.ts';

/** Synchronous reads of one table. Order of iteration is the order of creation, the same on every replica. */
export interface TableView<T extends StateObject> {
  readonly size: number;
  get(id: string): T | undefined;
  values(): IterableIterator<T>;
  /** Ids that start with `prefix`, at most `limit` of them. */
  byIdPrefix(prefix: string, limit: number): readonly T[];
}

export interface ServiceTableView extends TableView<Service> {
  /** Names are matched without regard to case, as in Swarm. */
  byName(name: string): Service | undefined;
  /**
   * Services whose current revision attaches its tasks to the network; of the ingress network: those
   * that publish ports by the routing mesh.
   */
  byNetwork(networkId: string): readonly Service[];
  /** Services whose current revision gives its tasks the secret or config. */
  byDocument(kind: 'secret' | 'config', id: string): readonly Service[];
}

/** Secrets, or configs. */
export interface DocumentTableView<T extends Secret | Config> extends TableView<T> {
  byName(name: string): T | undefined;
  /** The oldest whose name differs in case at most. */
  byNameAnyCase(name: string): T | undefined;
}

export interface NodeTableView extends TableView<Node> {
  /** Hostnames need not be unique. */
  byHostname(hostname: string): readonly Node[];
}

export interface NetworkTableView extends TableView<Network> {
  byName(name: string): Network | undefined;
  /** The oldest whose name differs in case at most. */
  byNameAnyCase(name: string): Network | undefined;
  /** The network of the routing mesh; there is one at most. */
  readonly ingress: Network | undefined;
}

export interface RevisionTableView extends TableView<Revision> {
  of(serviceId: string, number: number): Revision | undefined;
  byService(serviceId: string): Iterable<Revision>;
}

export interface TaskTableView extends TableView<Task> {
  byService(serviceId: string): Iterable<Task>;
  byNode(nodeId: string): Iterable<Task>;
  bySlot(serviceId: string, slot: number): Iterable<Task>;
  byState(state: TaskState): Iterable<Task>;
  /** Tasks that have addresses in the network: given, and not in a final state. */
  byNetwork(networkId: string): Iterable<Task>;
}

export interface LeaseTableView extends TableView<Lease> {
  byStage(stage: string): Iterable<Lease>;
}

export interface VolumeHomeTableView extends TableView<VolumeHome> {
  of(serviceId: string, slot: number): VolumeHome | undefined;
  byService(serviceId: string): Iterable<VolumeHome>;
}

export interface AttachmentTableView extends TableView<Attachment> {
  byNode(nodeId: string): Iterable<Attachment>;
  byNetwork(networkId: string): Iterable<Attachment>;
  /** Attachments of the kind that have been given their addresses. */
  countByNetwork(networkId: string, kind: Attachment['kind']): number;
}

/** Who has an address: the network itself (gateway, reserved), a service (virtual), a task, an attachment. */
export interface AddressHolder {
  readonly table: 'network' | 'service' | 'task' | 'attachment';
  readonly id: string;
}

/** The addresses of one network that are taken; kept up to date at every apply. */
export interface AddressUse {
  /** Addresses taken of one family. */
  count(family: Family): number;
  /** `address` is canonical, without prefix length. */
  holder(address: string): AddressHolder | undefined;
  /** Canonical, without prefix length, in no particular order. */
  addresses(): Iterable<string>;
}

/**
 * What is taken on a node by tasks that hold their reservation; kept up to date at every apply. Once
 * something was taken it stays the same object as long as the node is there.
 */
export interface NodeUsage {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** Kind of generic resource → amount. */
  readonly generic: ReadonlyMap<string, number>;
  /** Named generic resources that tasks have been given, as {@link namedKey} writes them. */
  readonly named: ReadonlySet<string>;
  /** `tcp/8080` → number of tasks holding it. */
  readonly hostPorts: ReadonlyMap<string, number>;
  /** Tasks that hold a reservation on the node. */
  readonly tasks: number;
  /** Service id → number of its tasks that hold a reservation on the node. */
  readonly tasksByService: ReadonlyMap<string, number>;
}

/** The whole replicated state at one log index. Valid until the next entry is applied. */
export interface StateView {
  /** Index of the last applied entry. */
  readonly index: LogIndex;
  /** Stamp of the newest entry with content; 0 before the first. */
  readonly time: Instant;
  /** The one cluster object; absent before `docker swarm init` committed. */
  readonly cluster: Cluster | undefined;
  readonly nodes: NodeTableView;
  readonly services: ServiceTableView;
  readonly revisions: RevisionTableView;
  readonly tasks: TaskTableView;
  readonly networks: NetworkTableView;
  readonly leases: LeaseTableView;
  readonly volumeHomes: VolumeHomeTableView;
  readonly attachments: AttachmentTableView;
  readonly secrets: DocumentTableView<Secret>;
  readonly configs: DocumentTableView<Config>;
  usage(nodeId: string): NodeUsage;
  addresses(networkId: string): AddressUse;
  /** Ports of the routing mesh, `tcp/8080` → id of the service that has it. */
  readonly ingressPorts: ReadonlyMap<string, string>;
  /** VXLAN network identifier → id of the network that has it. */
  readonly vnis: ReadonlyMap<number, string>;
}
