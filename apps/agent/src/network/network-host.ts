import { readFileSync } from 'node:fs';
import { hostNetworksSocket } from '@shoal/overlay';
import type { AttachResponse } from '@shoal/proto';
import { type Clock, errorMessage, type Logger, type Random } from '@shoal/runtime';
import { SocketServedError } from '@shoal/runtime/process';
import type { HostEncryption } from '@shoal/state';
import type { Registry } from 'prom-client';
import { type ContainerNetworks, noContainerNetworks } from '../executor/container-networks.ts';
import type { CallObserver } from '../executor/engine-http.ts';
import { gossipPort, HostGossip } from '../gossip/host-gossip.ts';
import type { SecureConnections } from '../gossip/listener.ts';
import { type GossipMetrics, gossipMetrics } from '../gossip/metrics.ts';
import { OverlayDriver } from '../overlay/driver.ts';
import { type OverlayMetrics, overlayMetrics } from '../overlay/metrics.ts';
import { problem } from './attachments.ts';
import { incomingConnections } from './connections.ts';
import { HostFeed } from './feed.ts';
import { FeedServer } from './feed-server.ts';
import { HostNetworking } from './host-networking.ts';
import { GossipKeyStore, gossipKeysFile } from './key-store.ts';
import { NetworkMemory, networksFile } from './memory.ts';
import { type NetworkMetrics, networkMetrics } from './metrics.ts';
import { pathProbes } from './path-probes.ts';

export interface NetworkHostOptions {
  readonly dataDir: string;
  /** The engine's address. */
  readonly engine: string;
  /** Where the engine finds its network driver. */
  readonly driverSocket: string;
  /** UDP port that packets of encrypted networks come to. */
  readonly encryptionPort?: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly observe: CallObserver;
  /** Takes what comes to the gossip's port and is not gossip. */
  readonly secure: SecureConnections;
}

/** What of a host's identity its networks need. */
export interface NetworkIdentity {
  readonly nodeId: string;
  /** Without port. */
  readonly advertiseAddr: string;
  /** Private key, PEM. */
  readonly key: string;
}

/**
 * A host's networks for as long as its agent runs, whichever swarm it is in: the engine's driver and the
 * socket of resolver and balancer are there all the time, gossip and records while it is in a swarm.
 */
export class NetworkHost {
  readonly #options: NetworkHostOptions;
  readonly #feed = new HostFeed();
  readonly #metrics: {
    readonly networks: NetworkMetrics;
    readonly gossip: GossipMetrics;
    readonly overlay: OverlayMetrics;
  };
  #server: FeedServer | undefined;
  #driver: OverlayDriver | undefined;
  #networking:
    | {
        readonly nodeId: string;
        readonly of: HostNetworking;
        readonly gossip: HostGossip;
        readonly keys: GossipKeyStore;
      }
    | undefined;

  private constructor(options: NetworkHostOptions) {
    this.#options = options;
    const { registry } = options;
    this.#metrics = {
      networks: networkMetrics(registry),
      gossip: gossipMetrics(registry),
      overlay: overlayMetrics(registry),
    };
  }

  /**
   * A host that cannot have overlay networks runs all other tasks; it may be that an agent with another data
   * directory has the engine's driver.
   * @throws {SocketServedError} where another agent has this data directory, and so is this node.
   */
  static async open(options: NetworkHostOptions): Promise<NetworkHost> {
    const host = new NetworkHost(options);
    try {
      const socket = hostNetworksSocket(options.dataDir);
      host.#server = await FeedServer.listen(socket, host.#feed, (name) => host.#announce(name));
      await host.#openDriver();
    } catch (error) {
      if (host.#server === undefined && error instanceof SocketServedError) throw error;
      options.logger.error({ reason: errorMessage(error) }, 'networks_unavailable');
    }
    return host;
  }

  /** How containers join; asks the driver that is there by then. */
  readonly containers: ContainerNetworks = {
    plan: (assignment) => (this.#driver ?? noContainerNetworks).plan(assignment),
  };

  /** How this host takes part in encrypted networks; undefined: it cannot. */
  get encryption(): HostEncryption | undefined {
    return this.#driver?.encryption;
  }

  /** The networks of a node, from now until another begins or it is removed. Undefined: this host has none. */
  async begin({
    nodeId,
    advertiseAddr,
    key,
  }: NetworkIdentity): Promise<HostNetworking | undefined> {
    if (this.#networking?.nodeId === nodeId) {
      this.#networking.gossip.moved(advertiseAddr);
      return this.#networking.of;
    }
    if (this.#networking !== undefined) {
      await this.#networking.of.close();
      this.#driver = undefined;
    }
    this.#networking = undefined;
    const { clock, random, logger } = this.#options;
    const overlay = this.#driver ?? (await this.#openAgain());
    if (overlay === undefined) return undefined;
    const log = logger.child({ node: nodeId });
    const gossip = new HostGossip({
      nodeId,
      advertise: { host: advertiseAddr, port: gossipPort },
      clock,
      random,
      logger: log,
      metrics: this.#metrics.gossip,
      secure: this.#options.secure,
    });
    const keys = this.#keys(nodeId, key);
    const networking = await HostNetworking.begin({
      nodeId,
      keys,
      overlay,
      gossip,
      feed: this.#feed,
      memory: this.#memory(nodeId),
      probes: pathProbes,
      connections: incomingConnections,
      gossipPort,
      clock,
      logger: log,
      metrics: this.#metrics.networks,
    });
    overlay.attachments = networking.containers;
    this.#networking = { nodeId, of: networking, gossip, keys };
    return networking;
  }

  /** The node has another certificate, or others reach it elsewhere. */
  renew({ key, advertiseAddr }: Pick<NetworkIdentity, 'key' | 'advertiseAddr'>): void {
    this.#networking?.keys.renew(key);
    this.#networking?.gossip.moved(advertiseAddr);
  }

  /** The host is in no swarm: there is nothing to serve. */
  standAlone(): void {
    if (this.#networking === undefined) this.#feed.openEmpty();
  }

  /** The node has left the swarm, and its containers are gone. */
  async remove(nodeId: string): Promise<void> {
    const networking = this.#networking?.of;
    const driver = this.#driver ?? (await this.#openDriver().catch(() => undefined));
    this.#networking = undefined;
    this.#driver = undefined;
    if (networking !== undefined) return networking.remove();
    this.#feed.openEmpty();
    await this.#memory(nodeId).forget();
    await this.#keys(nodeId, '').forget();
    await driver?.remove();
  }

  /** Lets go of everything; containers talk on. */
  async close(): Promise<void> {
    if (this.#networking === undefined) await this.#driver?.close();
    else await this.#networking.of.close();
    await this.#server?.close();
  }

  #memory(nodeId: string): NetworkMemory {
    const { dataDir, clock, logger } = this.#options;
    const path = networksFile(dataDir);
    return new NetworkMemory({ path, nodeId, boot: bootId(), clock, logger });
  }

  #keys(nodeId: string, secret: string): GossipKeyStore {
    const { dataDir, random, logger } = this.#options;
    const path = gossipKeysFile(dataDir);
    return new GossipKeyStore({ path, nodeId, secret, random, logger });
  }

  async #openDriver(): Promise<OverlayDriver> {
    const { driverSocket: socket, ...options } = this.#options;
    const metrics = this.#metrics.overlay;
    this.#driver = await OverlayDriver.open({ ...options, socket, metrics });
    return this.#driver;
  }

  async #openAgain(): Promise<OverlayDriver | undefined> {
    try {
      return await this.#openDriver();
    } catch (error) {
      this.#options.logger.error({ reason: errorMessage(error) }, 'networks_unavailable');
      return undefined;
    }
  }

  async #announce(network: string): Promise<AttachResponse> {
    const networking = this.#networking?.of;
    if (networking === undefined) return problem('this host is in no swarm');
    return networking.containers.announce(network);
  }
}

/** Of the kernel, other after each start of the machine. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
