import { type HostNetwork, type HostNetworkChange, HostTables } from '@shoal/overlay';
import { type KernelCommands, kernelCommands } from '@shoal/overlay/kernel';
import { silentLogger, systemClock } from '@shoal/runtime';
import { type EndpointRecord, macOf, type RecordService } from '@shoal/state';
import { HostBalancer } from '../balancer.ts';
import { defaultLeg, hostAddresses } from '../host/leg.ts';
import type { PortHolder } from '../host/ports.ts';
import { ipvsBackend } from '../ipvs/backend.ts';
import { nftablesBackend } from '../nftables/backend.ts';
import { noMetrics } from './no-metrics.ts';
import type { Reply } from './peer.ts';
import { type Peer, startPeer } from './peers.ts';
import { askSctp, startSctp } from './sctp.ts';
import {
  address,
  balancerAddresses,
  type HostName,
  hostAddress,
  hostNames,
  type NetworkName,
  networks,
  type TaskName,
  Topology,
  taskAddresses,
  taskNames,
  taskPlaces,
} from './topology.ts';

/** Port of the service inside, and where it is published. */
export const targetPort = 80;
export const publishedPort = 8_080;

/** The real one, in the namespace that stands for a host. */
function portsOf(peer: Peer, relayTo: string): PortHolder {
  return {
    hold: async (ports) => new Map(await peer.call('hold', { ports, relayTo })),
    close: async () => void (await peer.call('hold', { ports: [], relayTo })),
  };
}

interface Host {
  readonly tables: HostTables;
  balancer: HostBalancer;
}

export type Change = Partial<
  Pick<RecordService, 'sourceAddress' | 'balance' | 'ports' | 'allowed'>
> & {
  readonly serving?: boolean;
};

export interface WorldOptions {
  readonly kind: 'nftables' | 'ipvs';
  /** Of the names of its namespaces. */
  readonly prefix: string;
  /** The peers' program where it is bundled. */
  readonly program?: string | undefined;
  readonly commandMsMax?: number | undefined;
  /** Told of each step of the building, for machines that take minutes. */
  readonly step?: ((what: string) => void) | undefined;
}

/** Three hosts, one service of four tasks in two networks, clients inside and outside. */
export class World {
  readonly topology: Topology;
  readonly commands: KernelCommands;
  readonly #options: WorldOptions;
  readonly #hosts = new Map<HostName, Host>();
  readonly #peers = new Map<string, Peer>();
  readonly #serving = new Set<TaskName>();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.commands = kernelCommands(options.commandMsMax);
    this.topology = new Topology(options.prefix, this.commands);
  }

  async up(): Promise<void> {
    await this.topology.down();
    await this.topology.up();
    this.#options.step?.('namespaces are built');
    for (const part of [...taskNames, 'client', 'outside', ...hostNames]) {
      this.#peers.set(part, startPeer(this.topology.path(part), this.#options.program));
    }
    await Promise.all(taskNames.map((name) => this.startTask(name)));
    this.#options.step?.('tasks serve');
    for (const host of hostNames) {
      this.#hosts.set(host, { tables: new HostTables(), balancer: this.#balancer(host) });
    }
    await this.reset();
    this.#options.step?.('hosts balance');
  }

  async down(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map(({ balancer }) => balancer.stop()));
    await Promise.all([...this.#peers.values()].map((peer) => peer.close()));
    await this.topology.down();
  }

  peer(part: string): Peer {
    const peer = this.#peers.get(part);
    if (peer === undefined) throw new Error(`there is no ${part}`);
    return peer;
  }

  balancer(host: HostName): HostBalancer {
    return this.#host(host).balancer;
  }

  virtualIp(family: 4 | 6 = 4): string {
    return address('demo', 2, family);
  }

  /** All tasks serve, in both networks, on all hosts. */
  async reset(): Promise<void> {
    await Promise.all([...this.#peers.values()].map((peer) => peer.call('drop', {})));
    await this.#tell((host) =>
      (['demo', 'ingress'] as const).map((network) => ({
        id: network,
        network: hostNetwork(this.topology, host, network),
        complete: true,
        records: [
          ...taskNames.map((task) => record(network, task, {})),
          ...hostNames.map((each) => balancerRecord(network, each)),
        ],
        gone: [],
      })),
    );
  }

  /** The task's program begins to serve, unless it does already. */
  async startTask(name: TaskName): Promise<void> {
    if (this.#serving.has(name)) return;
    this.#serving.add(name);
    await this.peer(name).call('serve', { name, port: targetPort });
  }

  async stopTask(name: TaskName): Promise<void> {
    this.#serving.delete(name);
    await this.peer(name).call('stop', {});
  }

  /** Every task answers over SCTP as well, until the answer of this is called. */
  async serveSctp(): Promise<() => void> {
    const children = taskNames.flatMap((task) =>
      (['demo', 'ingress'] as const).map((network) => {
        const [address = ''] = taskAddresses(network, task);
        const namespace = this.topology.path(task);
        return startSctp({ namespace, name: task, address, port: targetPort });
      }),
    );
    await Promise.all(children.map(({ ready }) => ready));
    return () => {
      for (const { end } of children) end();
    };
  }

  askSctp(part: 'client' | 'outside', host: string, port: number): Promise<Reply> {
    const [inside = ''] = taskAddresses('demo', 'client');
    const from = part === 'client' ? inside : hostAddress('outside');
    return askSctp(this.commands, { namespace: this.topology.path(part), from, host, port });
  }

  /** Tells all hosts of tasks that change, in both networks. */
  change(tasks: readonly TaskName[], change: Change): Promise<void> {
    return this.#tell(() =>
      (['demo', 'ingress'] as const).map((network) => ({
        id: network,
        complete: false,
        records: tasks.map((task) => record(network, task, change)),
        gone: [],
      })),
    );
  }

  remove(tasks: readonly TaskName[]): Promise<void> {
    return this.#tell(() =>
      (['demo', 'ingress'] as const).map((network) => ({
        id: network,
        complete: false,
        records: [],
        gone: [...tasks],
      })),
    );
  }

  /** The ingress network as it stands on a host changes. */
  async local(host: HostName, change: Partial<HostNetwork>): Promise<void> {
    const network = { ...hostNetwork(this.topology, host, 'ingress'), ...change };
    await this.#tell(
      () => [{ id: 'ingress', network, complete: false, records: [], gone: [] }],
      [host],
    );
  }

  leave(host: HostName): Promise<void> {
    return this.#tell(
      () => [{ id: 'ingress', removed: true, complete: false, records: [], gone: [] }],
      [host],
    );
  }

  /** The process of a host begins anew, over the kernel as it is. */
  async restart(name: HostName): Promise<void> {
    const host = this.#host(name);
    await host.balancer.stop();
    host.balancer = this.#balancer(name);
    await host.balancer.update(host.tables, new Set(host.tables.networks.keys()));
  }

  /** Output of a tool in a namespace. */
  async kernel(namespace: string, program: string, ...args: readonly string[]): Promise<string> {
    const outcome = await this.commands.run({ program, args, namespace });
    if (outcome.kind === 'failed')
      throw new Error(`${program} ${args.join(' ')}: ${outcome.message}`);
    return outcome.stdout;
  }

  records(host: HostName, network: NetworkName): readonly EndpointRecord[] {
    return [...(this.#host(host).tables.networks.get(network)?.records.values() ?? [])];
  }

  async #tell(
    changes: (host: HostName) => readonly HostNetworkChange[],
    hosts: readonly HostName[] = hostNames,
  ): Promise<void> {
    await Promise.all(
      hosts.map(async (name) => {
        const { tables, balancer } = this.#host(name);
        await balancer.update(tables, tables.fold(changes(name), false));
      }),
    );
  }

  #host(name: HostName): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  #balancer(host: HostName): HostBalancer {
    const { commands } = this;
    const backend =
      this.#options.kind === 'ipvs' ? ipvsBackend(commands) : nftablesBackend(commands);
    return new HostBalancer({
      commands,
      backend,
      clock: systemClock,
      logger: silentLogger,
      metrics: noMetrics,
      ports: portsOf(this.peer(host), hostAddresses(defaultLeg.inside).v4 ?? ''),
      leg: defaultLeg,
      host: this.topology.path(host),
    });
  }
}

/** A network as the agent of a host tells of it. */
export function hostNetwork(topology: Topology, host: HostName, name: NetworkName): HostNetwork {
  const { vni } = networks[name];
  const [v4 = '', v6 = ''] = balancerAddresses(name, host);
  const local = taskNames.filter((task) => taskPlaces[task] === host);
  return {
    id: name,
    name,
    namespace: topology.namespaceOf(host, name),
    subnets: [
      { subnet: `${address(name, 0)}/24`, gateway: address(name, 1), vni },
      { subnet: `${address(name, 0, 6)}/64`, gateway: address(name, 1, 6), vni },
    ],
    internal: false,
    ingress: name === 'ingress',
    mtu: 1_450,
    balancerAddresses: [`${v4}/24`, `${v6}/64`],
    upstreams: [],
    local: local.map((task) => ({
      endpointId: task,
      sandbox: topology.path(task),
      mac: macOf(taskAddresses(name, task)[0] ?? '') ?? '',
      addresses: taskAddresses(name, task),
      networks: ['demo', 'ingress'],
    })),
  };
}

/** A task of the service. */
export function record(network: NetworkName, task: TaskName, change: Change): EndpointRecord {
  const { serving = true, ...service } = change;
  return {
    networkId: network,
    endpointId: task,
    kind: 'task',
    nodeId: taskPlaces[task],
    vtep: hostAddress(taskPlaces[task]),
    addresses: taskAddresses(network, task),
    name: `whoami.1.${task}`,
    containerAliases: [],
    slot: 1,
    service: {
      id: 'whoami',
      name: 'whoami',
      aliases: [],
      mode: 'vip',
      virtualIps: [address(network, 2), address(network, 2, 6)],
      ports:
        network === 'ingress'
          ? (['tcp', 'udp', 'sctp'] as const).map((protocol) => ({
              protocol,
              targetPort,
              publishedPort,
            }))
          : [],
      ...service,
    },
    serving,
  };
}

export function balancerRecord(network: NetworkName, host: HostName): EndpointRecord {
  return {
    networkId: network,
    endpointId: `lb.${host}`,
    kind: 'balancer',
    nodeId: host,
    vtep: hostAddress(host),
    addresses: balancerAddresses(network, host),
    name: '',
    containerAliases: [],
    slot: 0,
    serving: true,
  };
}
