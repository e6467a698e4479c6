import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { mustRun } from '../../host/command.ts';
import { tellStep } from '../run-cases.ts';
import { WireTap } from '../wire.ts';
import { keptTool, ProductHost } from './host.ts';
import { settled } from './settled.ts';

/** Crosses the wire in every answer. */
export const plainText = 'text-that-nobody-else-may-read';
export const servicePort = 8_000;
const readyMsMax = 120_000;
const image = '/image';
/** Two networks that every task of the service is in: what is not seen of the one is seen of the other. */
export const networkNames = ['secret', 'open'] as const;
export type NetworkName = (typeof networkNames)[number];
export const serviceName = 'web';

export interface TaskRow {
  readonly node: string;
  readonly state: string;
  readonly error: string;
}

interface ApiTask {
  readonly NodeID?: string;
  readonly Status: { readonly State: string; readonly Err?: string };
}
interface ApiNode {
  readonly ID: string;
  readonly Description: { readonly Hostname: string };
  readonly Status: { readonly State: string };
}
interface ApiContainer {
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string } | undefined>>;
  };
}

/** Two hosts on one wire: a manager, and a worker that has no wireguard-tools at first. */
export class ProductWorld {
  #hosts: readonly ProductHost[] = [];

  get manager(): ProductHost {
    return this.#host(0);
  }

  get worker(): ProductHost {
    return this.#host(1);
  }

  async up(): Promise<void> {
    mkdirSync(dirname(keptTool), { recursive: true });
    cpSync('/usr/sbin/wg', keptTool);
    rmSync('/usr/sbin/wg');
    const places = [
      ['manager', '192.0.2.1'],
      ['worker', '192.0.2.2'],
    ] as const;
    await layWire(places.map(([name]) => name));
    this.#hosts = await Promise.all(
      places.map(([name, address]) => ProductHost.start(name, address)),
    );
    tellStep(`two engines are up: ${seconds()}`);
    await Promise.all(
      this.#hosts.map((host) =>
        host.exec('dash', '-c', `tar -cf - -C ${image} . | docker import - busybox:latest`),
      ),
    );
    await this.manager.installWireguardTools();
    for (const host of this.#hosts) {
      await host.up();
      tellStep(`Shoal is up on ${host.name}: ${seconds()}`);
    }
    await this.#formSwarm();
    tellStep(`the swarm is formed: ${seconds()}`);
  }

  explain(): string {
    return this.#hosts.map((host) => host.complaints()).join('\n');
  }

  async tap(): Promise<WireTap> {
    const tap = new WireTap('/run/netns/wire', 'to-manager');
    await tap.ready;
    return tap;
  }

  /** Every task of the service, as the API has it. */
  async taskRows(): Promise<readonly TaskRow[]> {
    const filters = encodeURIComponent(JSON.stringify({ service: [serviceName] }));
    const tasks = await this.manager.read('shoal', `/tasks?filters=${filters}`);
    const nodes = await this.manager.read('shoal', '/nodes');
    const names = new Map(
      (nodes as readonly ApiNode[]).map(({ ID, Description }) => [ID, Description.Hostname]),
    );
    return (tasks as readonly ApiTask[]).map(({ NodeID = '', Status: { State, Err = '' } }) => {
      return { node: names.get(NodeID) ?? '', state: State, error: Err };
    });
  }

  /** Id of the service's container on the host. */
  async container(host: ProductHost): Promise<string> {
    const filter = { label: [`com.docker.swarm.service.name=${serviceName}`] };
    const filters = encodeURIComponent(JSON.stringify(filter));
    const found = await host.read('engine', `/containers/json?filters=${filters}`);
    const [container] = found as readonly { readonly Id: string }[];
    if (container === undefined) throw new Error(`${host.name} has no container`);
    return container.Id;
  }

  /** Of the host's container in the network, as its engine has it. */
  async addressOf(host: ProductHost, network: NetworkName): Promise<string> {
    const found = await host.read('engine', `/containers/${await this.container(host)}/json`);
    const { NetworkSettings } = found as ApiContainer;
    return NetworkSettings.Networks[network]?.IPAddress ?? '';
  }

  #host(at: number): ProductHost {
    const host = this.#hosts[at];
    if (host === undefined) throw new Error('the hosts are not up');
    return host;
  }

  async #formSwarm(): Promise<void> {
    const { manager, worker } = this;
    await manager.docker('swarm', 'init', `--advertise-addr=${manager.address}`);
    const token = (await manager.docker('swarm', 'join-token', '--quiet', 'worker')).trim();
    const at = [`--advertise-addr=${worker.address}`, `${manager.address}:2377`];
    await worker.docker('swarm', 'join', `--token=${token}`, ...at);
    await settled(
      'both nodes are ready',
      async () => {
        const nodes = (await manager.read('shoal', '/nodes')) as readonly ApiNode[];
        return nodes.filter(({ Status }) => Status.State === 'ready').length === 2;
      },
      readyMsMax,
    );
  }
}

function seconds(): string {
  return `${(performance.now() / 1_000).toFixed(0)} s of its time`;
}

async function layWire(names: readonly string[]): Promise<void> {
  const lines = [
    'netns add wire',
    '-n wire link add br0 type bridge',
    '-n wire link set br0 up',
    ...names.flatMap((name) => [
      `netns add ${name}`,
      `-n wire link add to-${name} type veth peer name eth0 netns ${name}`,
      `-n wire link set to-${name} master br0 up`,
    ]),
  ];
  for (const line of lines) await mustRun('ip', line.split(' '));
}
