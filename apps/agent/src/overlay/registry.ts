import type { LocalEndpoint, NodeNetwork } from '@shoal/overlay';
import type { Clock, Logger } from '@shoal/runtime';
import { addressOf } from '@shoal/state';
import type { OwnHost } from '../network/ports.ts';
import { portName } from './layout.ts';
import {
  type AttachmentPlan,
  type PluggedEndpoint,
  type StateContent,
  StateFile,
  type TaskPlan,
} from './state-file.ts';

/**
 * What this host's overlay networks are made of: networks, what the engine calls them, the containers in
 * them, and the addresses that were given out. In memory and in one file; nothing here waits.
 */
export class Registry {
  readonly #file: StateFile;
  #own: OwnHost | undefined;
  readonly #networks = new Map<string, NodeNetwork>();
  readonly #engineNetworks = new Map<string, string>();
  readonly #endpoints = new Map<string, PluggedEndpoint>();
  readonly #tasks = new Map<string, TaskPlan>();
  /** Ids of tasks by {@link placeOf} each of their addresses. */
  readonly #places = new Map<string, string>();
  /** By attachment. */
  readonly #attachments = new Map<string, AttachmentPlan>();

  private constructor(path: string, content: StateContent, clock: Clock, logger: Logger) {
    this.#file = new StateFile(path, clock, logger, () => this.#content());
    this.#own = content.own;
    for (const network of content.networks) this.#networks.set(network.id, network);
    for (const [id, networkId] of Object.entries(content.engineNetworks)) {
      this.#engineNetworks.set(id, networkId);
    }
    for (const endpoint of content.endpoints) this.#endpoints.set(endpoint.id, endpoint);
    for (const task of content.tasks) this.#putTask(task);
    for (const each of content.attachments) {
      const isTasks = each.addresses.some((own) => this.taskAt(each.networkId, own) !== undefined);
      if (isTasks) continue;
      this.#displace(each.networkId, each.addresses);
      this.#attachments.set(each.endpointId, each);
    }
  }

  static async open(path: string, clock: Clock, logger: Logger): Promise<Registry> {
    return new Registry(path, await StateFile.read(path, logger), clock, logger);
  }

  #content(): StateContent {
    return {
      own: this.#own,
      networks: [...this.#networks.values()] as StateContent['networks'],
      engineNetworks: Object.fromEntries(this.#engineNetworks),
      endpoints: [...this.#endpoints.values()],
      tasks: [...this.#tasks.values()],
      attachments: [...this.#attachments.values()],
    };
  }

  /** @throws the file system's error. */
  durable(): Promise<void> {
    return this.#file.durable();
  }

  /** Forgets everything, also on the disk. */
  async clear(): Promise<void> {
    const all = [this.#networks, this.#engineNetworks, this.#endpoints, this.#tasks];
    for (const map of [...all, this.#attachments, this.#places]) map.clear();
    this.#own = undefined;
    await this.#file.remove();
  }

  get own(): OwnHost | undefined {
    return this.#own;
  }

  set own(own: OwnHost) {
    this.#own = own;
    this.#file.changed();
  }

  network(id: string): NodeNetwork | undefined {
    return this.#networks.get(id);
  }

  get networks(): readonly NodeNetwork[] {
    return [...this.#networks.values()];
  }

  putNetwork(network: NodeNetwork): void {
    this.#networks.set(network.id, network);
    this.#file.changed();
  }

  deleteNetwork(id: string): void {
    if (this.#networks.delete(id)) this.#file.changed();
  }

  /** The network that the engine knows by `engineId`. */
  networkOf(engineId: string): NodeNetwork | undefined {
    return this.#networks.get(this.#engineNetworks.get(engineId) ?? '');
  }

  bind(engineId: string, networkId: string): void {
    if (this.#engineNetworks.get(engineId) === networkId) return;
    this.#engineNetworks.set(engineId, networkId);
    this.#file.changed();
  }

  unbind(engineId: string): void {
    if (this.#engineNetworks.delete(engineId)) this.#file.changed();
  }

  endpoint(id: string): PluggedEndpoint | undefined {
    return this.#endpoints.get(id);
  }

  get endpoints(): readonly PluggedEndpoint[] {
    return [...this.#endpoints.values()];
  }

  putEndpoint(endpoint: PluggedEndpoint): void {
    this.#endpoints.set(endpoint.id, endpoint);
    this.#file.changed();
  }

  deleteEndpoint(id: string): void {
    if (this.#endpoints.delete(id)) this.#file.changed();
  }

  /** Containers that are in the network now. */
  joined(networkId: string): readonly PluggedEndpoint[] {
    return this.endpoints.filter((each) => each.networkId === networkId && each.sandbox);
  }

  /** Names of the network's ends of its containers. */
  ports(networkId: string): ReadonlySet<string> {
    return new Set(this.joined(networkId).map(({ id }) => portName(id)));
  }

  /** Without prefix length. */
  localAddresses(networkId: string): ReadonlySet<string> {
    return new Set(this.joined(networkId).flatMap(({ addresses }) => addresses.map(addressOf)));
  }

  /** Ids of the attachments that had its addresses before. */
  planTask(task: TaskPlan): readonly string[] {
    const displaced = task.networks.flatMap(({ networkId, addresses }) => {
      this.#unclaim(networkId, addresses);
      return this.#displace(networkId, addresses);
    });
    this.#deleteTask(task.taskId);
    this.#putTask(task);
    this.#file.changed();
    return displaced;
  }

  #putTask(task: TaskPlan): void {
    this.#tasks.set(task.taskId, task);
    for (const place of placesOf(task)) this.#places.set(place, task.taskId);
  }

  #deleteTask(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    this.#tasks.delete(taskId);
    for (const place of placesOf(task)) {
      if (this.#places.get(place) === taskId) this.#places.delete(place);
    }
  }

  /** Addresses were given out again: who had them before has stopped, even if its container is kept. */
  #unclaim(networkId: string, addresses: readonly string[]): void {
    for (const address of addresses) {
      const task = this.taskAt(networkId, address);
      if (task === undefined) continue;
      const networks = task.networks.filter((each) => each.networkId !== networkId);
      this.#deleteTask(task.taskId);
      this.#putTask({ ...task, networks });
    }
  }

  /** Tasks without a container need no plan any more. */
  keepTasks(isThere: (taskId: string) => boolean): void {
    for (const taskId of this.#tasks.keys()) {
      if (isThere(taskId)) continue;
      this.#deleteTask(taskId);
      this.#file.changed();
    }
  }

  get taskIds(): readonly string[] {
    return [...this.#tasks.keys()];
  }

  /** The task to which an address of a network was given. */
  taskAt(networkId: string, address: string): TaskPlan | undefined {
    return this.#tasks.get(this.#places.get(placeOf(networkId, address)) ?? '');
  }

  /** Ids of the other attachments that had its addresses before. */
  attach(attachment: AttachmentPlan): readonly string[] {
    const { networkId, addresses, endpointId } = attachment;
    this.#unclaim(networkId, addresses);
    const displaced = this.#displace(networkId, addresses);
    this.#attachments.set(endpointId, attachment);
    this.#file.changed();
    return displaced.filter((id) => id !== endpointId);
  }

  /** As for tasks: an address has one holder. */
  #displace(networkId: string, addresses: readonly string[]): readonly string[] {
    return addresses.flatMap((address) => {
      const attached = this.attachmentAt(networkId, address);
      if (attached === undefined) return [];
      this.#attachments.delete(attached.endpointId);
      return [attached.endpointId];
    });
  }

  get attachments(): readonly AttachmentPlan[] {
    return [...this.#attachments.values()];
  }

  /** Whether a container has an address of the attachment, or is about to. */
  isHeld({ networkId, addresses }: AttachmentPlan): boolean {
    const own = new Set(addresses.map(addressOf));
    return this.endpoints.some(
      (each) =>
        each.networkId === networkId &&
        each.addresses.some((address) => own.has(addressOf(address))),
    );
  }

  detach(endpointId: string): void {
    if (this.#attachments.delete(endpointId)) this.#file.changed();
  }

  attachmentAt(networkId: string, address: string): AttachmentPlan | undefined {
    const wanted = addressOf(address);
    return [...this.#attachments.values()].find(
      (each) =>
        each.networkId === networkId && each.addresses.some((own) => addressOf(own) === wanted),
    );
  }

  /** The network's containers as the host's resolver and balancer see them. */
  local(networkId: string): readonly LocalEndpoint[] {
    return this.joined(networkId)
      .map((endpoint) => this.#local(endpoint))
      .sort((a, b) => (a.endpointId < b.endpointId ? -1 : 1));
  }

  #local(endpoint: PluggedEndpoint): LocalEndpoint {
    const { id, networkId, mac, sandbox = '' } = endpoint;
    const [first = ''] = endpoint.addresses;
    const task = this.taskAt(networkId, first);
    const attached = this.attachmentAt(networkId, first);
    const { upstreams = [] } = task ?? endpoint;
    return {
      endpointId: task?.taskId ?? attached?.endpointId ?? id,
      sandbox,
      mac,
      addresses: endpoint.addresses.map(addressOf),
      networks: task?.networks.map((each) => each.networkId) ?? this.networksIn(sandbox),
      ...(upstreams.length === 0 ? {} : { upstreams }),
    };
  }

  /** Networks of a container by name, the ingress network last. */
  networksIn(sandbox: string): readonly string[] {
    const rank = (id: string): string => {
      const network = this.#networks.get(id);
      return `${network?.ingress === true ? 1 : 0}${network?.name ?? id}`;
    };
    const ids = this.endpoints
      .filter((each) => each.sandbox === sandbox)
      .map(({ networkId }) => networkId);
    return [...new Set(ids)].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  }
}

/** An address in its network, with or without prefix length. */
function placeOf(networkId: string, address: string): string {
  return `${networkId} ${addressOf(address)}`;
}

function placesOf({ networks }: TaskPlan): readonly string[] {
  return networks.flatMap(({ networkId, addresses }) =>
    addresses.map((address) => placeOf(networkId, address)),
  );
}
