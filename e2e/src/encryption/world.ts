import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Peer, startPeer, type Tally } from '@shoal/ingress-lb/testing';
import type { EncryptedHost, NodeNetwork } from '@shoal/overlay';
import { type KernelCommands, kernelCommands } from '@shoal/overlay/kernel';
import { type EndpointRecord, type HostEncryption, macOf } from '@shoal/state';
import type { HostCalls } from './host.ts';
import { WireTap } from './wire.ts';

const commandMsMax = 120_000;
export const hostNames = ['a', 'b'] as const;
export type HostName = (typeof hostNames)[number];
const vteps: Readonly<Record<HostName, string>> = { a: '192.0.2.1', b: '192.0.2.2' };
/** Somebody on the wire who is no host. */
const strangerAddress = '192.0.2.9';

/** One network goes encrypted, the other as it is: whatever is not seen on the one is seen on the other. */
export const networks = {
  secret: { part: 1, vni: 4_097, encrypted: true, device: 'eth0' },
  open: { part: 2, vni: 4_098, encrypted: false, device: 'eth1' },
} as const;
export type NetworkName = keyof typeof networks;
const networkNames = ['secret', 'open'] as const;

const endings: Readonly<Record<HostName, number>> = { a: 11, b: 12 };
export const servicePort = 80;
/** Crosses the wire in every answer. */
export const plainText = 'text-that-nobody-else-may-read';

/** Of the container of a host. */
export function containerAddress(network: NetworkName, host: HostName): string {
  return `10.79.${networks[network].part}.${endings[host]}`;
}

export function containerMac(network: NetworkName, host: HostName): string {
  return macOf(containerAddress(network, host)) ?? '';
}

type Call = <K extends keyof HostCalls>(
  name: K,
  ...args: Parameters<HostCalls[K]>
) => Promise<Awaited<ReturnType<HostCalls[K]>>>;

interface Host {
  readonly call: Call;
  readonly child: ChildProcess;
  encryption: HostEncryption | undefined;
}

/** Two hosts on one wire, each with a container in both networks. */
export class World {
  readonly #commands: KernelCommands = kernelCommands(commandMsMax);
  readonly #hosts = new Map<HostName, Host>();
  readonly #peers = new Map<string, Peer>();

  async up(): Promise<void> {
    await this.#ip([
      ...['netns add wire', 'netns add stranger', 'netns add host-a', 'netns add host-b'],
      ...hostNames.map((name) => `netns add container-${name}`),
    ]);
    await this.#ip(['link add br0 type bridge', 'link set br0 up', 'link set lo up'], 'wire');
    for (const [name, address] of [
      ['host-a', vteps.a],
      ['host-b', vteps.b],
      ['stranger', strangerAddress],
    ] as const) {
      const end = `to-${name}`;
      await this.#ip([`link add ${end} netns wire type veth peer name eth0 netns ${name}`]);
      await this.#ip([`link set ${end} master br0 up`], 'wire');
      await this.#ip(
        ['link set lo up', `addr add ${address}/24 dev eth0`, 'link set eth0 up'],
        name,
      );
    }
    for (const name of hostNames) {
      const { child, call } = startHost(name);
      this.#hosts.set(name, { child, call, encryption: await call('start', vteps[name]) });
    }
    for (const name of hostNames) await this.tell(name);
    for (const name of hostNames) await this.#plug(name);
    this.#peers.set('stranger', this.#peer('stranger'));
  }

  host(name: HostName): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  peer(name: HostName | 'stranger'): Peer {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`there is no peer ${name}`);
    return peer;
  }

  /** Tells a host of both networks; `knows` the other host's key unless it says no. */
  async tell(name: HostName, knows = true): Promise<void> {
    for (const network of networkNames) {
      const made = await this.host(name).call('build', this.#network(network, name, knows));
      if (made !== '') throw new Error(`network ${network} of ${name}: ${made}`);
      await this.host(name).call('setPeers', network, [recordOf(network, otherOf(name))]);
    }
  }

  /** The host's process begins anew. */
  async restart(name: HostName): Promise<void> {
    const host = this.host(name);
    host.encryption = await host.call('start', vteps[name]);
  }

  /** A container's questions to the other host's, over one of the networks. */
  ask(from: HostName, network: NetworkName, times: number, atOnce = 4): Promise<Tally> {
    const host = containerAddress(network, otherOf(from));
    return this.peer(from).call('ask', { host, port: servicePort, times, atOnce });
  }

  async tap(): Promise<WireTap> {
    const tap = new WireTap('/run/netns/wire', 'to-host-a');
    await tap.ready;
    return tap;
  }

  async run(namespace: string, program: string, ...args: readonly string[]): Promise<string> {
    const path = `/run/netns/${namespace}`;
    const outcome = await this.#commands.run({ program, args, namespace: path });
    if (outcome.kind === 'done') return outcome.stdout;
    throw new Error(`${outcome.message} (${args.join(' ')})`);
  }

  #network(name: NetworkName, host: HostName, knows: boolean): NodeNetwork {
    const { part, vni, encrypted } = networks[name];
    const other = otherOf(host);
    const key = knows ? this.host(other).encryption : undefined;
    const encryptedHosts: EncryptedHost[] =
      key === undefined
        ? []
        : [{ nodeId: other, vtep: vteps[other], publicKey: key.PublicKey, port: key.Port }];
    return {
      id: name,
      name,
      subnets: [{ subnet: `10.79.${part}.0/24`, gateway: `10.79.${part}.1`, vni }],
      ...{ internal: false, attachable: true, ingress: false, encrypted },
      ...(encrypted && { encryptedHosts }),
      dataPathPort: 4_789,
      balancerAddresses: [`10.79.${part}.${endings[host] + 100}/24`],
      ...{ options: {}, labels: {} },
    };
  }

  async #plug(name: HostName): Promise<void> {
    const container = `container-${name}`;
    await this.#ip(['link set lo up'], container);
    for (const network of networkNames) {
      const address = containerAddress(network, name);
      const { device } = networks[network];
      const id = `${network}${name}`.padEnd(11, '0');
      const mac = containerMac(network, name);
      const plugged = await this.host(name).call('plug', id, network, mac, [`${address}/24`]);
      await this.#ip([`link set ${plugged} netns ${container} name ${device}`], `host-${name}`);
      await this.#ip([`addr add ${address}/24 dev ${device}`, `link set ${device} up`], container);
    }
    const peer = this.#peer(container);
    await peer.call('serve', { name: plainText, port: servicePort });
    this.#peers.set(name, peer);
  }

  #peer(namespace: string): Peer {
    return startPeer(`/run/netns/${namespace}`, join(import.meta.dirname, 'peer.mjs'));
  }

  async #ip(lines: readonly string[], namespace?: string): Promise<void> {
    const args = [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'];
    const input = lines.map((line) => `${line}\n`).join('');
    const outcome = await this.#commands.run({ program: 'ip', args, input });
    if (outcome.kind === 'failed') throw new Error(`${outcome.stderr} in\n${input}`);
  }
}

export function otherOf(name: HostName): HostName {
  return name === 'a' ? 'b' : 'a';
}

function recordOf(network: NetworkName, host: HostName): EndpointRecord {
  return {
    ...{ networkId: network, endpointId: host, kind: 'task', nodeId: host, vtep: vteps[host] },
    ...{ addresses: [containerAddress(network, host)], name: host, containerAliases: [] },
    ...{ slot: 0, serving: true },
  };
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Namespaces of networks have the same names on all hosts: each has a place of its own for them. */
function startHost(name: HostName): { readonly child: ChildProcess; readonly call: Call } {
  const dataDir = `/tmp/host-${name}`;
  const script = `mount -t tmpfs none /run/netns && mkdir -p ${dataDir}/agent && exec node "$@"`;
  const program = join(import.meta.dirname, 'host.mjs');
  const child = spawn(
    'nsenter',
    [
      `--net=/run/netns/host-${name}`,
      ...['unshare', '--mount', '--propagation', 'private'],
      ...['dash', '-c', script, 'dash', program, dataDir],
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.on('exit', () => {
    for (const [id, settle] of waiting) settle({ id, error: `host ${name} has ended` });
  });
  const call: Call = (method, ...args) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, ({ result, error }) => {
        if (error === undefined) resolve(result as never);
        else reject(new Error(error));
      });
      child.send({ id: last, call: method, args });
    });
  return { child, call };
}
