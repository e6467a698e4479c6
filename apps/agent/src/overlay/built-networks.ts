import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type HostNetwork, type NodeNetwork, namespacePath } from '@shoal/overlay';
import type { Clock, Logger, Monotonic } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import type { OwnHost } from '../network/ports.ts';
import type { Commands } from './commands.ts';
import type { EncryptionAbility } from './encryption/ability.ts';
import { EncryptedUnderlay } from './encryption/encrypted-underlay.ts';
import { bridge, layoutOf, portName, underlayMtuDefault, vniOf } from './layout.ts';
import type { OverlayMetrics } from './metrics.ts';
import { type Done, NetworkNamespace, removeNamespace } from './network-namespace.ts';
import { Queues } from './queues.ts';
import type { Registry } from './registry.ts';
import { readLinks } from './seen.ts';
import { upstream } from './upstreams.ts';

const namespaceFolder = dirname(namespacePath(0));
const ourNamespace = /^shoal-\d+$/;

export interface BuiltNetworksOptions {
  readonly commands: Commands;
  readonly registry: Registry;
  /** Marks what this agent builds: another agent of the machine leaves it alone. */
  readonly owner: string;
  /** The host's nameservers, until others are set. */
  readonly nameservers: readonly string[];
  readonly encryption: EncryptionAbility;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: OverlayMetrics;
  /** A network was built, changed or went, or its peers were programmed. */
  readonly changed: (networkId: string) => void;
  /** False for networks that the swarm has no more, which stay while containers are in them. Default: none. */
  readonly isWanted?: ((networkId: string) => boolean) | undefined;
}

/** Jumbo frames; the loopback device has more, which says nothing of a way to other hosts. Bytes. */
const underlayMtuMax = 9_216;
/** How long the underlay is taken to be as it was, milliseconds. */
const underlayMsMax = 10_000;
/** Works on what all encrypted networks share. */
const encryptionQueue = 'encryption';
const notNow: Done = { kind: 'failed', message: 'the network has no address on this host yet' };
const inherited: Done = {
  kind: 'failed',
  message: 'the network is gone, and another has its place',
};

/** The networks of this host that stand in the kernel. What is done to one is done one after the other. */
export class BuiltNetworks {
  readonly #options: BuiltNetworksOptions;
  readonly #queues = new Queues();
  readonly #namespaces = new Map<string, NetworkNamespace>();
  readonly #built = new Set<string>();
  /** Last word on the peers, also of networks that are not built yet. */
  readonly #records = new Map<string, readonly EndpointRecord[]>();
  readonly #peersDue = new Set<string>();
  /** Endpoints whose interface is being made. */
  readonly #plugging = new Set<string>();
  readonly #encrypted: EncryptedUnderlay | undefined;
  #nameservers: readonly string[];
  #strays: ReadonlySet<string> = new Set();
  #underlay: { readonly vtep: string; readonly mtu: number; readonly at: Monotonic } | undefined;

  constructor(options: BuiltNetworksOptions) {
    this.#options = options;
    const { encryption, owner, nameservers } = options;
    this.#nameservers = nameservers;
    if (encryption.kind === 'able') {
      const namespace = `${owner}-wg`;
      this.#encrypted = new EncryptedUnderlay({ ...options, ...encryption, namespace });
    }
  }

  /** Whether a network can be built here, now or ever. */
  canBuild({ balancerAddresses, encrypted }: NodeNetwork): boolean {
    const can = !encrypted || this.#options.encryption.kind === 'able';
    return can && balancerAddresses.length > 0;
  }

  isBuilt(networkId: string): boolean {
    return this.#built.has(networkId);
  }

  /** Builds or repairs a network, and programs its peers. */
  async build(networkId: string): Promise<Done> {
    return this.#queues.run(networkId, () => this.#build(networkId));
  }

  /**
   * As {@link build}, and counts what was not as it should be.
   * @param isComplete whether all endpoints that the engine has are known.
   */
  async audit(networkId: string, isComplete: boolean): Promise<Done> {
    return this.#queues.run(networkId, () => this.#build(networkId, { isComplete }));
  }

  async #build(networkId: string, audit?: { readonly isComplete: boolean }): Promise<Done> {
    const { registry, changed, metrics } = this.#options;
    const network = registry.network(networkId);
    const own = registry.own;
    if (network === undefined || own === undefined) return notNow;
    const sharer = this.#sharer(network);
    if (sharer !== undefined && !this.#isWanted(networkId)) return inherited;
    if (sharer !== undefined && !this.#isWanted(sharer.id)) await this.#giveWay(sharer);
    if (network.encrypted) {
      const ready = await this.#ensureEncryption(own, audit !== undefined);
      if (ready.kind === 'failed') return ready;
    }
    const namespace = await this.#namespace(network, own);
    if (namespace === undefined) return notNow;
    const wasBuilt = this.#built.has(networkId);
    const ports = {
      joined: registry.ports(networkId),
      isComplete: audit?.isComplete === true,
    };
    const repaired = await namespace.repair(ports, audit !== undefined && wasBuilt);
    if (repaired.kind === 'failed') return repaired;
    if (ports.isComplete) await this.#replug(namespace, networkId, repaired.lost ?? []);
    const audited = audit !== undefined ? await namespace.auditPeers() : repaired;
    if (audited.kind === 'failed') return audited;
    this.#peersDue.delete(networkId);
    const programmed = await namespace.programPeers(registry.localAddresses(networkId));
    this.#built.add(networkId);
    metrics.standing(this.#built.size, this.#endpointCount, this.#peerCount);
    if (audit === undefined || !wasBuilt) changed(networkId);
    return programmed;
  }

  #isWanted(networkId: string): boolean {
    return this.#options.isWanted?.(networkId) !== false;
  }

  /** Another network with the same number: the swarm gives that of one that is gone to the next. */
  #sharer(network: NodeNetwork): NodeNetwork | undefined {
    const vni = vniOf(network);
    const { networks } = this.#options.registry;
    return networks.find((other) => other.id !== network.id && vniOf(other) === vni);
  }

  /** Its containers are cut off: there is no such network, and they must not be in that of others. */
  #giveWay({ id, name }: NodeNetwork): Promise<void> {
    return this.#queues.run(id, async () => {
      const known = this.#namespaces.get(id);
      if (known === undefined) return;
      this.#options.logger.warn({ network: id, name }, 'removed_network_gives_way');
      await known.remove();
      this.#namespaces.delete(id);
      this.#built.delete(id);
    });
  }

  /** The way of all encrypted networks, to the hosts of all of them. */
  async #ensureEncryption(own: OwnHost, isAudit: boolean): Promise<Done> {
    const { encryption, registry } = this.#options;
    const underlay = this.#encrypted;
    if (encryption.kind === 'unable') return { kind: 'failed', message: encryption.reason };
    if (underlay === undefined) return notNow;
    const underlayMtu = await this.#underlayMtu(own);
    return this.#queues.run(encryptionQueue, () => {
      const networks = registry.networks.filter(({ encrypted }) => encrypted);
      const hosts = networks.flatMap(({ encryptedHosts = [] }) => encryptedHosts);
      return underlay.ensure({ vtep: own.vtep, underlayMtu, hosts }, isAudit);
    });
  }

  /** After the last encrypted network. */
  async #dropEncryption(removed: NodeNetwork): Promise<Done> {
    const underlay = this.#encrypted;
    const others = this.#options.registry.networks.filter(
      ({ id, encrypted }) => encrypted && id !== removed.id && this.#namespaces.has(id),
    );
    if (!removed.encrypted || underlay === undefined || others.length > 0) return { kind: 'ok' };
    return this.#queues.run(encryptionQueue, () => underlay.remove());
  }

  /** Running containers lose their interfaces with the namespace that these were plugged into. */
  async #replug(
    namespace: NetworkNamespace,
    networkId: string,
    lost: readonly string[],
  ): Promise<void> {
    const { registry, logger, metrics } = this.#options;
    for (const endpoint of registry.joined(networkId)) {
      const { id, sandbox } = endpoint;
      if (sandbox === undefined || this.#plugging.has(id) || !lost.includes(portName(id))) continue;
      const done = await namespace.replug(endpoint, sandbox);
      logger.warn({ endpoint: id, network: networkId, ...done }, 'container_plugged_again');
      if (done.kind === 'ok') metrics.repaired('port');
    }
  }

  async #namespace(network: NodeNetwork, own: OwnHost): Promise<NetworkNamespace | undefined> {
    const { commands, clock, metrics, logger } = this.#options;
    const layout = layoutOf(network, own, {
      underlayMtu: await this.#underlayMtu(own),
      owner: this.#options.owner,
      encryptedUnderlay: this.#encrypted?.namespace,
    });
    if (layout === undefined) return undefined;
    const known = this.#namespaces.get(network.id);
    const isSamePlace = known?.layout.namespace === layout.namespace;
    if (known !== undefined && isSamePlace && known.layout.vtep === layout.vtep) {
      known.layout = layout;
      return known;
    }
    if (!isSamePlace) await known?.remove();
    const namespace = new NetworkNamespace(layout, {
      commands,
      clock,
      metrics,
      logger: logger.child({ network: network.id }),
    });
    const records = this.#records.get(network.id);
    if (records !== undefined) namespace.setPeers(records);
    this.#namespaces.set(network.id, namespace);
    return namespace;
  }

  /** Of the device that has the tunnel's address; an audit of many networks looks once. */
  async #underlayMtu({ vtep }: OwnHost): Promise<number> {
    const now = this.#options.clock.monotonic();
    const known = this.#underlay;
    if (known?.vtep === vtep && now - known.at < underlayMsMax) return known.mtu;
    const mtu = await this.#lookUnderlayMtu(vtep);
    this.#underlay = { vtep, mtu, at: now };
    return mtu;
  }

  async #lookUnderlayMtu(vtep: string): Promise<number> {
    const { commands, logger } = this.#options;
    const shown = await commands.show('ip', undefined, ['addr', 'show', 'to', vtep]);
    if (shown.kind === 'ok') {
      const [link] = [...readLinks(shown.output).values()];
      if (link !== undefined && link.mtu <= underlayMtuMax) return link.mtu;
      if (link !== undefined) return underlayMtuDefault;
    }
    logger.warn({ vtep }, 'underlay_not_found');
    return underlayMtuDefault;
  }

  setPeers(networkId: string, records: readonly EndpointRecord[]): void {
    this.#records.set(networkId, records);
    this.#namespaces.get(networkId)?.setPeers(records);
    this.programPeers(networkId);
  }

  /** What comes while programming is under way goes together next time. */
  programPeers(networkId: string): void {
    if (!this.#built.has(networkId) || this.#peersDue.has(networkId)) return;
    this.#peersDue.add(networkId);
    void this.#queues.run(networkId, async () => {
      if (!this.#peersDue.delete(networkId)) return;
      const { registry, changed, logger, metrics } = this.#options;
      const namespace = this.#namespaces.get(networkId);
      if (namespace === undefined) return;
      const done = await namespace.programPeers(registry.localAddresses(networkId));
      if (done.kind === 'failed') {
        logger.warn({ network: networkId, reason: done.message }, 'peers_not_programmed');
      }
      metrics.standing(this.#built.size, this.#endpointCount, this.#peerCount);
      changed(networkId);
    });
  }

  programmedPeers(networkId: string): readonly EndpointRecord[] | undefined {
    return this.#built.has(networkId)
      ? this.#namespaces.get(networkId)?.programmedPeers
      : undefined;
  }

  /** An endpoint was made: its interface will be wanted in a moment. */
  expect(networkId: string): void {
    if (this.#built.has(networkId)) this.#namespaces.get(networkId)?.expect();
  }

  /** Makes a container's interface; builds the network first where it is missing. */
  plug(endpointId: string): Promise<Done & { readonly device?: string }> {
    const endpoint = this.#options.registry.endpoint(endpointId);
    if (endpoint === undefined) {
      return Promise.resolve({ kind: 'failed', message: `no endpoint ${endpointId}` });
    }
    const { networkId } = endpoint;
    this.#plugging.add(endpointId);
    const plugged = this.#queues.run(networkId, async () => {
      const known = this.#namespaces.get(networkId);
      if (known !== undefined && this.#built.has(networkId)) {
        const done = await known.plug(endpoint);
        if (done.kind === 'ok') return done;
      }
      const built = await this.#build(networkId);
      if (built.kind === 'failed') return built;
      return (await this.#namespaces.get(networkId)?.plug(endpoint)) ?? notNow;
    });
    // The engine need not wait for this.
    void this.#queues.run(networkId, async () => {
      const done = await plugged.finally(() => this.#plugging.delete(endpointId));
      if (done.kind === 'failed' || this.#options.registry.endpoint(endpointId) === undefined)
        return;
      const pinned = await this.#namespaces.get(networkId)?.pin(endpoint);
      if (pinned?.kind !== 'failed') return;
      this.#options.logger.warn(
        { network: networkId, reason: pinned.message },
        'address_not_pinned',
      );
    });
    return plugged;
  }

  /** In the background: the kernel takes its time. */
  unplug(networkId: string, endpointId: string): void {
    void this.#queues.run(networkId, async () => {
      const done = await this.#namespaces.get(networkId)?.unplug(endpointId);
      if (done?.kind !== 'failed') return;
      this.#options.logger.warn({ network: networkId, reason: done.message }, 'unplug_failed');
    });
    this.programPeers(networkId);
  }

  /** Takes a network out of the kernel. */
  remove(network: NodeNetwork): Promise<Done> {
    return this.#queues.run(network.id, async () => {
      const { registry, changed, metrics } = this.#options;
      const own = this.#sharer(network) === undefined ? registry.own : undefined;
      const known =
        this.#namespaces.get(network.id) ??
        (own === undefined ? undefined : await this.#namespace(network, own));
      const removed = (await known?.remove()) ?? { kind: 'ok' };
      if (removed.kind === 'failed') return removed;
      const done = await this.#dropEncryption(network);
      if (done.kind === 'failed') return done;
      this.#namespaces.delete(network.id);
      this.#built.delete(network.id);
      metrics.standing(this.#built.size, this.#endpointCount, this.#peerCount);
      changed(network.id);
      return done;
    });
  }

  /** The network will not come back: its peers are of no more use. */
  forget(networkId: string): void {
    this.#records.delete(networkId);
  }

  /**
   * Namespaces of ours that stand for no network: an agent was killed. Only those that were there at the
   * last look too: another one may be under way.
   */
  async removeStrays(): Promise<void> {
    const { registry, commands, logger, metrics, owner } = this.#options;
    const names = await readdir(namespaceFolder).catch(() => []);
    const known = new Set(registry.networks.map((each) => `shoal-${vniOf(each)}`));
    const strays = names.filter((name) => ourNamespace.test(name) && !known.has(name));
    for (const name of strays.filter((each) => this.#strays.has(each))) {
      const shown = await commands.show('ip', name, ['-d', 'addr', 'show']);
      if (shown.kind === 'failed') continue;
      if (readLinks(shown.output).get(bridge)?.alias !== owner) continue;
      const stray = name.slice('shoal-'.length);
      const devices = [`shx${stray}`, `she${stray}`, bridge];
      const done = await removeNamespace(commands, name, devices);
      logger.warn({ namespace: name, done: done.kind }, 'stray_namespace_removed');
      metrics.repaired('stray');
    }
    this.#strays = new Set(strays);
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#queues.idle();
  }

  /** The host asks others for names than before. */
  set nameservers(nameservers: readonly string[]) {
    this.#nameservers = nameservers;
    for (const id of this.#built) this.#options.changed(id);
  }

  hostNetworks(): readonly HostNetwork[] {
    const { registry } = this.#options;
    return [...this.#built].flatMap((id) => {
      const network = registry.network(id);
      const layout = this.#namespaces.get(id)?.layout;
      if (network === undefined || layout === undefined) return [];
      return [
        {
          id,
          name: network.name,
          namespace: namespacePath(layout.vni),
          subnets: network.subnets,
          internal: network.internal,
          ingress: network.ingress,
          mtu: layout.mtu,
          balancerAddresses: network.balancerAddresses,
          upstreams: this.#nameservers.map(upstream),
          local: registry.local(id),
        },
      ];
    });
  }

  get #endpointCount(): number {
    return this.#options.registry.endpoints.filter(({ sandbox }) => sandbox).length;
  }

  get #peerCount(): number {
    return [...this.#namespaces.values()].reduce((sum, each) => sum + each.peerCount, 0);
  }
}
