import type { NodeNetwork } from '@shoal/overlay';
import { vtepOf } from '@shoal/overlay';
import type { DispatcherClient, PathCheck, PathResults, SwarmView } from '@shoal/proto';
import { type Clock, type Logger, parseHostPort, type Timer } from '@shoal/runtime';
import type { EndpointRecord, NodeDescription, OwnNode, TaskAssignment } from '@shoal/state';
import { containerNameservers } from '../overlay/upstreams.ts';
import { ContainerAttachments } from './attachments.ts';
import { DigestReports } from './digest-reports.ts';
import type { HostFeed } from './feed.ts';
import { readGossipKeys } from './gossip-keys.ts';
import type { GossipKeyStore } from './key-store.ts';
import { KnownHosts } from './known-hosts.ts';
import type { NetworkMemory, Remembered } from './memory.ts';
import type { NetworkMetrics } from './metrics.ts';
import { balancerRecord, OwnEndpoints } from './own-endpoints.ts';
import { checkPaths, type PathProbes } from './path-check.ts';
import type { Ensured, NetworkPorts } from './ports.ts';
import { acknowledgeMsMax, Serving } from './serving.ts';
import { SilentHosts } from './silent-hosts.ts';
import { NetworkTables } from './tables.ts';
import type { Prepared, TaskNetworking } from './task-networking.ts';
import { doneWithin, Waiters } from './waits.ts';

/** Longest wait of a task for a network before it says what it waits for, milliseconds. */
const prepareMsMax = 1_000;
/** Longest wait for the networks of before a restart; then consumers are told what there is. */
const openMsMax = 10_000;

export interface HostNetworkingOptions extends NetworkPorts {
  readonly nodeId: string;
  readonly feed: HostFeed;
  readonly memory: Pick<NetworkMemory, 'load' | 'changed' | 'flush' | 'forget'>;
  readonly keys: Pick<GossipKeyStore, 'load' | 'keep' | 'flush' | 'forget'>;
  readonly probes: PathProbes;
  /** Connections that others have to the container of a process. */
  readonly connections: (pid: number) => Promise<number>;
  readonly gossipPort: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: NetworkMetrics;
}

/**
 * The networks of this host: takes what the dispatcher says must be here, what other hosts say by gossip
 * and what this host knows of its own containers, and brings it to the kernel, to the resolver and the
 * balancer, and to the other hosts.
 */
export class HostNetworking implements TaskNetworking {
  readonly containers: ContainerAttachments;
  readonly digests: DigestReports;
  readonly #options: HostNetworkingOptions;
  readonly #own = new OwnEndpoints();
  readonly #tables: NetworkTables;
  readonly #silent: SilentHosts;
  readonly #serving: Serving;
  readonly #hosts: KnownHosts;
  #networks: readonly NodeNetwork[] | undefined;
  #vtep = '';
  /** Own tasks of before the restart whose containers nobody has seen yet. */
  readonly #unclaimed = new Set<string>();
  /** Callers that wait until a network is known on this host. */
  readonly #waiters: Waiters;
  readonly #ends: (() => void)[] = [];
  #opening: Timer | undefined;
  #opened = false;
  /** Own endpoints of before the restart are published. */
  #isRestored = false;

  private constructor(options: HostNetworkingOptions) {
    this.#options = options;
    const { nodeId, overlay, gossip, feed, probes, clock, logger } = options;
    const ports = { overlay, gossip, feed, clock };
    this.#hosts = new KnownHosts(gossip);
    this.#waiters = new Waiters(clock);
    this.#silent = new SilentHosts({
      hosts: () => gossip.reachability(),
      pulse: (addr, timeoutMs) => probes.pulse(addr, timeoutMs),
      isNamed: (id) => this.#tables.names(id),
      clock,
      changed: (id) => this.#silenceChanged(id),
    });
    this.#tables = new NetworkTables({
      ...ports,
      nodeId,
      isSilent: (id) => this.#silent.has(id),
      onChanged: () => this.#changed(),
    });
    this.#serving = new Serving({ ...options, own: this.#own, tables: this.#tables });
    this.containers = new ContainerAttachments({
      nodeId,
      clock,
      logger,
      ensure: (networkId) => this.#ensure(networkId),
      nameservers: (networkId) => this.#nameservers(networkId),
      publish: (record) => void this.#tables.push(record),
      withdraw: (networkId, id) => void this.#tables.withdraw(networkId, id),
      evict: (id) => overlay.evict(id),
    });
    this.digests = new DigestReports({
      ...ports,
      tables: this.#tables,
      silent: () => this.#silent.all,
      attachments: () => (this.#opened ? this.containers.ids : undefined),
    });
    this.#ends.push(
      overlay.onChange(() => this.#overlayChanged()),
      gossip.onChange((...heard) => this.#tables.heard(...heard)),
      gossip.onStanding(() => {
        this.#silent.look();
        options.memory.changed(() => this.#remembered());
      }),
    );
    gossip.onPush(async () => {
      await doneWithin(clock, acknowledgeMsMax, feed.settled());
    });
  }

  /** Goes on with what was so when the agent last ran: consumers, kernel and hosts see no difference. */
  static async begin(options: HostNetworkingOptions): Promise<HostNetworking> {
    const networking = new HostNetworking(options);
    const [remembered, keys] = await Promise.all([options.memory.load(), options.keys.load()]);
    if (keys.length > 0) options.gossip.keys(keys);
    if (remembered !== undefined) networking.#restore(remembered);
    return networking;
  }

  /** Which of the hosts can be reached, and why not. */
  check(asked: PathCheck): Promise<PathResults> {
    const { gossip, probes, gossipPort } = this.#options;
    const tables = this.#tables;
    const source = {
      gossipPort,
      probes,
      reachability: () => gossip.reachability(),
      networks: () => tables.networks(),
      record: (networkId: string, id: string) => tables.record(networkId, id),
      told: (networkId: string) => this.#networks?.find(({ id }) => id === networkId),
    };
    return checkPaths(source, asked);
  }

  /** The session that is open, for what is asked by hand. */
  session(client: DispatcherClient | undefined): void {
    this.containers.session(client);
  }

  swarm(view: SwarmView, node: Pick<OwnNode, 'description' | 'status'>): void {
    const { gossip } = this.#options;
    const keys = readGossipKeys(view.gossipKeys);
    if (keys.length > 0) {
      gossip.keys(keys);
      this.#options.keys.keep(keys);
    }
    this.#hosts.managers(view.managers);
    const vtep = vtepOf(node);
    // A node's first session begins before the log has its address.
    if (vtep === '' || vtep === this.#vtep) return;
    this.#vtep = vtep;
    this.#configure();
  }

  /** Takes the list of all networks that this host must have. */
  wanted(networks: readonly NodeNetwork[]): void {
    this.#networks = networks;
    this.#configure();
  }

  /** Takes all records of a network as the log implies them. */
  told(networkId: string, records: readonly EndpointRecord[]): void {
    const different = this.#tables.told(networkId, records);
    this.#options.metrics.truth(different);
    if (different > 0)
      this.#options.logger.info({ network: networkId, different }, 'network_records_told');
  }

  /** Assignments came or changed: records of tasks that run may be others now. */
  assigned(assignments: readonly TaskAssignment[]): void {
    for (const assignment of assignments) {
      if (!this.#own.assigned(assignment)) continue;
      for (const record of this.#own.records(assignment.taskId)) void this.#tables.push(record);
    }
  }

  /** Tasks with a container that runs: others of before the restart are gone. */
  found(running: ReadonlySet<string>): void {
    for (const taskId of this.#unclaimed) if (!running.has(taskId)) this.gone(taskId);
    // Without memory nobody knows yet what will be published.
    if (this.#isRestored) this.#options.gossip.settle();
  }

  async prepare({ networks = [] }: TaskAssignment): Promise<Prepared> {
    for (const { networkId } of networks) {
      const ensured = await this.#ensure(networkId);
      if (ensured.kind === 'failed') return { kind: 'waiting', message: ensured.message };
      if (ensured.kind === 'impossible') return ensured;
    }
    return { kind: 'ok' };
  }

  joined(assignment: TaskAssignment, containerId: string, node: NodeDescription): void {
    this.#join(assignment, containerId, node, false);
  }

  restored(assignment: TaskAssignment, containerId: string, node: NodeDescription): void {
    this.#join(assignment, containerId, node, true);
  }

  serve(taskId: string): Promise<void> {
    return this.#serving.serve(taskId);
  }

  drain(taskId: string, pid = 0): Promise<void> {
    // Of one that is to stop no networks are told any more: what was served before the restart counts.
    const records = this.#tables
      .networksOf(taskId)
      .flatMap((networkId) => this.#tables.record(networkId, taskId) ?? [])
      .filter(({ nodeId }) => nodeId === this.#options.nodeId);
    this.#own.resume(taskId, records);
    return this.#serving.drain(taskId, pid);
  }

  gone(taskId: string): void {
    this.#unclaimed.delete(taskId);
    this.#own.delete(taskId);
    for (const networkId of this.#tables.networksOf(taskId)) {
      void this.#tables.withdraw(networkId, taskId);
    }
  }

  /** Lets go of everything; containers talk on, and consumers serve on. */
  async close(): Promise<void> {
    const { gossip, overlay, feed, memory, keys } = this.#options;
    this.#stop();
    feed.hold();
    await Promise.all([gossip.close(), overlay.close(), memory.flush(), keys.flush()]);
  }

  /** The node has left the swarm, and no container of it is left. */
  async remove(): Promise<void> {
    const { gossip, overlay, feed, memory, keys } = this.#options;
    this.#stop();
    for (const networkId of this.#tables.ids) gossip.leave(networkId);
    feed.openEmpty();
    await Promise.all([gossip.close(), overlay.remove(), memory.forget(), keys.forget()]);
  }

  #stop(): void {
    for (const end of this.#ends) end();
    this.#silent.stop();
    this.#opening?.cancel();
    this.digests.stop();
    this.containers.stop();
    this.#waiters.wake();
  }

  #restore({ vtep, networks, records, hosts }: Remembered): void {
    const { nodeId } = this.#options;
    this.#vtep = vtep;
    this.#hosts.restore(hosts);
    this.#networks = networks;
    this.#tables.sync(new Set(networks.map(({ id }) => id)));
    for (const networkId of this.#tables.ids) {
      const known = records[networkId] ?? [];
      this.#tables.told(networkId, known);
      for (const record of known) {
        if (record.nodeId !== nodeId || record.kind === 'balancer') continue;
        if (record.kind === 'task') this.#unclaimed.add(record.endpointId);
        else this.containers.restore(record);
        this.#tables.publish(record);
      }
    }
    this.#isRestored = true;
    // Last: consumers may be told as soon as the networks are there.
    this.#configure();
  }

  #configure(): void {
    const networks = this.#networks;
    if (networks === undefined) return;
    this.#tables.sync(new Set(networks.map(({ id }) => id)));
    // The address of a new node comes a moment later.
    if (this.#vtep === '') return;
    const { nodeId, overlay } = this.#options;
    const own = { nodeId, vtep: this.#vtep };
    overlay.configure(networks, own);
    this.containers.vtep = this.#vtep;
    const balancers = networks.flatMap((each) => balancerRecord(each, own) ?? []);
    for (const record of [...balancers, ...this.containers.records]) this.#tables.publish(record);
    this.#openOnceBuilt();
    this.#waiters.wake();
    this.#changed();
  }

  /** Consumers still serve what was before the restart: they hear nothing until that is there again. */
  #openOnceBuilt(): void {
    if (this.#opened) return;
    const { clock, overlay } = this.#options;
    this.#opening ??= clock.after(openMsMax, () => this.#open());
    const built = new Set(overlay.hostNetworks().map(({ id }) => id));
    if (this.#networks?.every(({ id }) => built.has(id)) === true) this.#open();
  }

  #open(): void {
    this.#opening?.cancel();
    this.#opened = true;
    // The driver may have had them before this one began.
    this.#tables.builtChanged(this.#options.overlay.hostNetworks());
    this.#options.feed.open(this.#tables, () => this.#servedChanged());
    for (const { id, local } of this.#options.overlay.hostNetworks()) {
      this.containers.present(id, new Set(local.map(({ endpointId }) => endpointId)));
    }
  }

  #silenceChanged(host: string): void {
    const isSilent = this.#silent.has(host);
    this.#options.metrics.silentHosts(this.#silent.all.length);
    this.#options.logger.warn({ host }, isSilent ? 'host_silent' : 'host_not_silent');
    this.#tables.silenceChanged(host);
  }

  #servedChanged(): void {
    const { feed, metrics } = this.#options;
    this.digests.changed();
    metrics.problems(feed.problemCounts);
    // Without a balancer what it last said stays.
    if (feed.unsteered === undefined) return;
    for (const taskId of this.#own.setUnsteered(feed.unsteered)) {
      for (const record of this.#own.records(taskId)) void this.#tables.push(record);
    }
  }

  #overlayChanged(): void {
    this.#tables.builtChanged(this.#options.overlay.hostNetworks());
    this.#openOnceBuilt();
    this.#waiters.wake();
  }

  async #ensure(networkId: string): Promise<Ensured> {
    const isHere = () => this.#networks?.some(({ id }) => id === networkId) === true;
    await this.#waiters.until(isHere, prepareMsMax);
    const network = this.#networks?.find(({ id }) => id === networkId);
    if (network === undefined || this.#vtep === '') {
      return { kind: 'failed', message: `network ${networkId} is not known on this host yet` };
    }
    const ensured = await this.#options.overlay.ensure(networkId);
    return ensured.kind === 'ok'
      ? ensured
      : { kind: ensured.kind, message: `network ${network.name}: ${ensured.message}` };
  }

  /** The network's resolver, and where that is away the host's own. */
  #nameservers(networkId: string): readonly string[] {
    const gateways = this.#networks?.find(({ id }) => id === networkId)?.subnets ?? [];
    const upstreams = this.#tables.networks().get(networkId)?.upstreams ?? [];
    const hosts = upstreams.flatMap((each) => parseHostPort(each)?.host ?? []);
    const [first] = gateways;
    return first === undefined ? [] : containerNameservers(first.gateway, [], hosts);
  }

  #join(
    assignment: TaskAssignment,
    containerId: string,
    node: NodeDescription,
    restored: boolean,
  ): void {
    const { taskId } = assignment;
    const { nodeId } = this.#options;
    const before = this.#tables.networksOf(taskId);
    const wasServing = before.some((id) => this.#tables.record(id, taskId)?.serving === true);
    this.#unclaimed.delete(taskId);
    this.#own.join(assignment, containerId, node, restored || wasServing);
    for (const record of this.#own.records(taskId)) {
      if (record.nodeId === nodeId) this.#tables.publish(record);
    }
    this.#options.overlay.claim(assignment);
  }

  #changed(): void {
    const { memory, metrics } = this.#options;
    const networks = this.#networks ?? [];
    memory.changed(() => this.#remembered());
    metrics.networks(networks.length, this.#tables.networks().size);
    this.digests.changed();
  }

  #remembered(): Remembered {
    const records = this.#tables.ids.map((id) => [id, this.#tables.known(id)] as const);
    return {
      vtep: this.#vtep,
      networks: this.#networks ?? [],
      records: Object.fromEntries(records),
      hosts: this.#hosts.remembered(),
    };
  }
}
