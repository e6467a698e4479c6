import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeNetwork } from '@shoal/overlay';
import type { HostNetworkUpdate, SwarmView } from '@shoal/proto';
import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { EndpointRecord, TaskAssignment } from '@shoal/state';
import { Registry } from 'prom-client';
import { type FeedEnd, HostFeed } from '../network/feed.ts';
import { HostNetworking } from '../network/host-networking.ts';
import { GossipKeyStore, gossipKeysFile } from '../network/key-store.ts';
import { NetworkMemory, networksFile } from '../network/memory.ts';
import { networkMetrics } from '../network/metrics.ts';
import type { PathProbes } from '../network/path-check.ts';
import { FakeGossip, FakeOverlay } from './fake-network.ts';

export const nodeId = 'h1';
export const vtep = '192.0.2.1';
/** How far virtual time goes at once. */
export const stepMs = 20;
const patienceTurns = 1_000;

/** A world in which a host is what its address says. */
const probes: PathProbes = {
  pulse: async ({ host }) => host !== '192.0.2.3',
  tcp: async (host) =>
    host === '192.0.2.3' ? { kind: 'failed', cause: 'no route to the host' } : { kind: 'ok' },
  tunnels: async (_network, addresses) =>
    new Map(addresses.map((address) => [address, { small: true, full: address !== '10.0.1.4' }])),
};

const swarmView: SwarmView = {
  node: Buffer.alloc(0),
  managers: [
    { nodeId: 'm1', dispatcherAddr: '192.0.2.9:2378', logAddr: '192.0.2.9:2377' },
    { nodeId: 'm2', dispatcherAddr: '', logAddr: '[fd00::9]:2377' },
  ],
  trustRoots: '',
  issuer: '',
  gossipKeys: [Buffer.concat([Buffer.from([0, 0, 0, 7]), Buffer.alloc(32, 1)])],
};

export function network(id: string): NodeNetwork {
  return {
    id,
    name: `name-of-${id}`,
    subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_097 }],
    internal: false,
    attachable: false,
    ingress: false,
    encrypted: false,
    dataPathPort: 4_789,
    balancerAddresses: ['10.0.1.2/24'],
    options: {},
    labels: {},
  };
}

export function record(endpointId: string, more: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    networkId: 'n',
    endpointId,
    kind: 'task',
    nodeId,
    vtep,
    addresses: ['10.0.1.5'],
    name: `web.1.${endpointId}`,
    containerAliases: [],
    slot: 1,
    serving: false,
    ...more,
  };
}

export function assignment(taskId: string, more: Partial<TaskAssignment> = {}): TaskAssignment {
  return {
    taskId,
    serviceId: 's',
    serviceName: 'web',
    serviceLabels: {},
    slot: 1,
    nodeId,
    desired: 'running',
    template: { ContainerSpec: { Image: 'i', Hostname: 'web-host' }, ForceUpdate: 0 },
    hostPorts: [],
    localNetworks: [],
    networks: [
      {
        networkId: 'n',
        addresses: ['10.0.1.5/24'],
        driverOptions: {},
        record: record(taskId),
      },
    ],
    ...more,
  };
}

/** One that another host serves. */
export const remote = (id: string, more: Partial<EndpointRecord> = {}) =>
  record(id, { nodeId: 'h2', vtep: '192.0.2.2', addresses: ['10.0.1.6'], serving: true, ...more });

/** The networking of a host, with a driver, a gossip and consumers that do what the test says. */
export class NetworkedHost {
  readonly clock = new FakeClock();
  readonly feed = new HostFeed();
  readonly folder: string;
  /** Of others to any container. */
  connections = 0;
  #boots = 1;
  #overlay = new FakeOverlay();
  #gossip = new FakeGossip();
  #networking: HostNetworking | undefined;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<NetworkedHost> {
    const host = new NetworkedHost(await mkdtemp(join(tmpdir(), 'shoal-networking-')));
    await host.begin();
    return host;
  }

  /** Of the agent that started last. */
  get overlay(): FakeOverlay {
    return this.#overlay;
  }

  get gossip(): FakeGossip {
    return this.#gossip;
  }

  get networking(): HostNetworking {
    if (this.#networking === undefined) throw new Error('no agent has started');
    return this.#networking;
  }

  /** An agent that starts on this host. */
  async begin(driver = new FakeOverlay()): Promise<void> {
    this.#overlay = driver;
    this.#gossip = new FakeGossip();
    const { folder, clock, feed } = this;
    this.#networking = await HostNetworking.begin({
      nodeId,
      overlay: driver,
      gossip: this.#gossip,
      feed,
      memory: new NetworkMemory({
        path: networksFile(folder),
        nodeId,
        boot: `boot ${this.#boots}`,
        clock,
        logger: silentLogger,
      }),
      probes,
      keys: new GossipKeyStore({
        path: gossipKeysFile(folder),
        nodeId,
        secret: 'a key',
        random: systemRandom,
        logger: silentLogger,
      }),
      connections: async () => this.connections,
      gossipPort: 7_946,
      clock,
      logger: silentLogger,
      metrics: networkMetrics(new Registry()),
    });
  }

  async restart(): Promise<void> {
    await this.networking.close();
    await this.begin();
  }

  /** The machine was off: none of its containers is there. */
  async reboot(): Promise<void> {
    this.#boots += 1;
    await this.restart();
  }

  async end(): Promise<void> {
    await this.networking.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  toldSwarm(addr = vtep): void {
    this.networking.swarm(swarmView, { status: { addr } });
  }

  /** A session says what there is, and the network is built. */
  inNetwork(records: readonly EndpointRecord[] = []): void {
    this.toldSwarm();
    this.networking.wanted([network('n')]);
    this.networking.told('n', records);
    this.#overlay.build('n');
  }

  published(id: string) {
    return this.#gossip.published.get(`n/${id}`);
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) await this.clock.advance(stepMs);
  }

  /** Lets virtual time go on until the work is done. */
  async finished<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const done = work.finally(() => {
      over = true;
    });
    for (let turn = 0; turn < patienceTurns && !over; turn += 1) await this.clock.advance(stepMs);
    if (!over) throw new Error(`not done after ${patienceTurns * stepMs} ms`);
    return done;
  }

  /** A consumer that serves what it is told when the test says so. */
  consumer(name: string) {
    const updates: HostNetworkUpdate[] = [];
    const end: FeedEnd = this.feed.follow({
      send: (update) => {
        updates.push(update);
        return true;
      },
    });
    end.received({ consumer: name, version: 0, networks: [] });
    return {
      updates,
      end,
      serve: (digest = 'd') =>
        end.received({
          consumer: name,
          version: updates.at(-1)?.version ?? 0,
          networks: [{ networkId: 'n', digest, problems: [], unsteered: [] }],
        }),
    };
  }
}
