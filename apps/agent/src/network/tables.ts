import { isDeepStrictEqual } from 'node:util';
import type { HostNetwork } from '@shoal/overlay';
import type { Clock } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import type { FeedSource, HostFeed } from './feed.ts';
import type { NetworkPorts, PushOutcome } from './ports.ts';
import { NetworkRecords } from './records.ts';

export interface TablesOptions extends NetworkPorts {
  readonly nodeId: string;
  readonly feed: HostFeed;
  readonly clock: Clock;
  /** Whether nothing comes back from the host: nobody is sent to its tasks. */
  readonly isSilent: (nodeId: string) => boolean;
  /** Networks or records changed, or what of them is in the kernel. */
  readonly onChanged: () => void;
}

/**
 * The records of every network of this host. What changes goes to the kernel's tables of peers and to the
 * host's consumers; what is this host's own goes to the other hosts too.
 */
export class NetworkTables implements FeedSource {
  readonly #options: TablesOptions;
  readonly #tables = new Map<string, NetworkRecords>();
  #built: ReadonlyMap<string, HostNetwork> = new Map();
  readonly #peersDue = new Set<string>();

  constructor(options: TablesOptions) {
    this.#options = options;
  }

  get ids(): readonly string[] {
    return [...this.#tables.keys()];
  }

  get(networkId: string): NetworkRecords | undefined {
    return this.#tables.get(networkId);
  }

  networks(): ReadonlyMap<string, HostNetwork> {
    return this.#built;
  }

  /** As they are to be served. */
  records(networkId: string): readonly EndpointRecord[] {
    return this.known(networkId).map((record) => this.#served(record));
  }

  /** One of those. */
  record(networkId: string, endpointId: string): EndpointRecord | undefined {
    const record = this.#tables.get(networkId)?.get(endpointId);
    return record && this.#served(record);
  }

  /** As hosts and dispatchers say them, whatever answers at the moment. */
  known(networkId: string): readonly EndpointRecord[] {
    return this.#tables.get(networkId)?.all() ?? [];
  }

  /** Whether any record is of the host. */
  names(nodeId: string): boolean {
    return this.ids.some((id) => this.known(id).some((record) => record.nodeId === nodeId));
  }

  /** The host is silent from now on, or no longer: its tasks are served otherwise. */
  silenceChanged(nodeId: string): void {
    for (const [networkId, table] of this.#tables) {
      const ids = table
        .others()
        .flatMap((record) => (record.nodeId === nodeId ? record.endpointId : []));
      if (ids.length === 0) continue;
      this.#options.feed.recordsChanged(networkId, ids);
      this.#options.onChanged();
    }
  }

  /** The networks that this host has are these: joins those that came, leaves those that went. */
  sync(networkIds: ReadonlySet<string>): void {
    const { nodeId, gossip, clock } = this.#options;
    for (const networkId of this.#tables.keys()) {
      if (!networkIds.has(networkId)) this.#leave(networkId);
    }
    for (const networkId of networkIds) {
      if (this.#tables.has(networkId)) continue;
      const table = new NetworkRecords(nodeId);
      this.#tables.set(networkId, table);
      gossip.join(networkId);
      this.#changed(networkId, table.heard(gossip.records(networkId), [], clock.monotonic()));
    }
  }

  /** What the overlay driver has built. It also tells when it has programmed peers. */
  builtChanged(networks: readonly HostNetwork[]): void {
    const before = this.#built;
    this.#built = new Map(networks.map((network) => [network.id, network]));
    for (const id of new Set([...before.keys(), ...this.#built.keys()])) {
      if (isDeepStrictEqual(before.get(id), this.#built.get(id))) continue;
      if (!before.has(id)) this.#peersSoon(id);
      this.#options.feed.networkChanged(id);
    }
    this.#options.onChanged();
  }

  /**
   * What other hosts say. That one of them was given up says nothing of its tasks: perhaps only its agent is
   * away. They go when the host is silent too, or when the log says that the node is down.
   */
  heard(networkId: string, changed: readonly EndpointRecord[], gone: readonly string[]): void {
    const table = this.#tables.get(networkId);
    if (table === undefined) return;
    const dead = gone.length === 0 ? new Set<string>() : this.#deadHosts();
    const left = gone.filter((id) => !dead.has(table.get(id)?.nodeId ?? ''));
    this.#changed(networkId, table.heard(changed, left, this.#options.clock.monotonic()));
  }

  /** What a dispatcher says of the network. Returns how much was different. */
  told(networkId: string, records: readonly EndpointRecord[]): number {
    const table = this.#tables.get(networkId);
    if (table === undefined) return 0;
    const { nodeId, gossip, feed, clock } = this.#options;
    const different = table.told(records, clock.monotonic());
    const own = records.filter((record) => record.nodeId === nodeId);
    gossip.merge(networkId, [...table.others(), ...own]);
    this.#changed(networkId, different);
    feed.renew(networkId);
    return different.length;
  }

  /** An own record, for this host alone. False when that was known. */
  setOwn(record: EndpointRecord): boolean {
    const table = this.#tables.get(record.networkId);
    if (table?.setOwn(record) !== true) return false;
    this.#changed(record.networkId, [record.endpointId]);
    return true;
  }

  /** An own record, for other hosts to hear of in time. */
  publish(record: EndpointRecord): void {
    if (this.setOwn(record)) this.#options.gossip.publish(record);
  }

  /** An own record, told to all hosts of the network at once. */
  async push(record: EndpointRecord): Promise<PushOutcome> {
    this.setOwn(record);
    if (!this.#tables.has(record.networkId)) return { acknowledged: [], missing: [] };
    return this.#options.gossip.push({ kind: 'record', record });
  }

  /** An own endpoint is gone: told to all hosts of the network at once. */
  async withdraw(networkId: string, endpointId: string): Promise<PushOutcome> {
    const table = this.#tables.get(networkId);
    if (table?.deleteOwn(endpointId) !== true) return { acknowledged: [], missing: [] };
    this.#changed(networkId, [endpointId]);
    return this.#options.gossip.push({ kind: 'withdrawal', networkId, endpointId });
  }

  /** Networks in which the endpoint is this host's own. */
  networksOf(endpointId: string): readonly string[] {
    return this.ids.filter((id) => this.#tables.get(id)?.isOwn(endpointId) === true);
  }

  /** A host from which nothing comes back stays a peer: perhaps only this host cannot reach it. */
  #served(record: EndpointRecord): EndpointRecord {
    const isLeftOut = record.serving && this.#options.isSilent(record.nodeId);
    return isLeftOut ? { ...record, serving: false } : record;
  }

  #deadHosts(): ReadonlySet<string> {
    const hosts = this.#options.gossip.reachability();
    return new Set(hosts.flatMap(({ nodeId, standing }) => (standing === 'dead' ? nodeId : [])));
  }

  #leave(networkId: string): void {
    const { gossip, feed, onChanged } = this.#options;
    this.#tables.delete(networkId);
    gossip.leave(networkId);
    feed.networkChanged(networkId);
    onChanged();
  }

  #changed(networkId: string, endpointIds: readonly string[]): void {
    if (endpointIds.length === 0) return;
    this.#options.feed.recordsChanged(networkId, endpointIds);
    this.#peersSoon(networkId);
    this.#options.onChanged();
  }

  /** What changes in the same turn of the event loop goes to the kernel together. */
  #peersSoon(networkId: string): void {
    if (this.#peersDue.size === 0) queueMicrotask(() => this.#setPeers());
    this.#peersDue.add(networkId);
  }

  #setPeers(): void {
    for (const networkId of this.#peersDue) {
      const table = this.#tables.get(networkId);
      if (table !== undefined) this.#options.overlay.setPeers(networkId, table.others());
    }
    this.#peersDue.clear();
  }
}
