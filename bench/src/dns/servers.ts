import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pause, systemClock } from '@shoal/runtime';

const ours = join(import.meta.dirname, '../../../apps/dns/dist/main.mjs');
const peer = '/usr/sbin/dnsmasq';
const generator = '/usr/bin/dnsperf';
const subnet = '10.211.7';
const startMsMax = 20_000;
const lookMs = 50;

export const addresses = {
  ours: `${subnet}.1`,
  peer: `${subnet}.2`,
  floor: `${subnet}.3`,
  client: `${subnet}.9`,
} as const;

/** One sentence for people when something that it takes is not there. */
export function dnsMissing(): string | undefined {
  if (process.getuid?.() !== 0)
    return 'servers are measured in a network namespace, which takes root';
  for (const program of [peer, generator]) {
    if (existsSync(program)) continue;
    return `${program} is missing: apt-get install dnsmasq-base dnsperf`;
  }
  return existsSync(ours) ? undefined : `${ours} is missing: ./shoal bench builds it`;
}

/** Our resolver and dnsmasq in one network namespace, with the same names. */
export class DnsServers {
  readonly namespace: string;
  readonly #directory: string;
  readonly #children: readonly ChildProcess[];

  private constructor(namespace: string, directory: string, children: readonly ChildProcess[]) {
    this.namespace = namespace;
    this.#directory = directory;
    this.#children = children;
  }

  /** Ids of their processes. */
  get processes(): { readonly ours: number; readonly peer: number; readonly floor: number } {
    const [ours = 0, peer = 0, floor = 0] = this.#children.map(({ pid }) => pid);
    return { ours, peer, floor };
  }

  /** `web` has one address, `tasks.web` as many as there are tasks. */
  static async start(tasks: number): Promise<DnsServers> {
    const namespace = `shoal-bench-${process.pid}`;
    const directory = mkdtempSync(join(tmpdir(), 'shoal-bench-dns-'));
    ip('netns', 'add', namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    for (const address of Object.values(addresses)) {
      ip('-n', namespace, 'address', 'add', `${address}/32`, 'dev', 'lo');
    }
    writeNames(directory, namespace, tasks);
    const children = [
      startOurs(directory),
      startPeer(directory, namespace),
      startFloor(namespace, tasks),
    ];
    const servers = new DnsServers(namespace, directory, children);
    try {
      for (const server of [addresses.ours, addresses.peer, addresses.floor])
        await servers.#answers(server);
    } catch (error) {
      await servers.stop();
      throw error;
    }
    return servers;
  }

  /** A file that asks for one name again and again. */
  questions(name: string): string {
    const path = join(this.#directory, name);
    writeFileSync(path, `${name} A\n`);
    return path;
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      const running = child.exitCode === null && child.signalCode === null;
      child.kill('SIGTERM');
      if (running) await once(child, 'exit');
    }
    ip('netns', 'delete', this.namespace);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Waits until something listens on UDP port 53 of `server`. */
  async #answers(server: string): Promise<void> {
    const end = systemClock.monotonic() + startMsMax;
    // As /proc writes it: the bytes of the address in the order of memory.
    const hex = server.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
    const wanted = `${hex.reverse().join('').toUpperCase()}:0035`;
    const args = [`--net=/run/netns/${this.namespace}`, 'cat', '/proc/net/udp'];
    while (systemClock.monotonic() < end) {
      if (execFileSync('nsenter', args).toString().includes(wanted)) return;
      await pause(systemClock, lookMs);
    }
    throw new Error(`nobody listens on ${server}`);
  }
}

function startOurs(directory: string): ChildProcess {
  const args = [`--data-dir=${directory}`, `--run-dir=${directory}`, '--metrics-listen=off'];
  return spawn(process.execPath, [ours, '--log-level=error', ...args], { stdio: 'ignore' });
}

/** What Node's own sockets cost: a program that answers without reading, let alone looking anything up. */
function startFloor(namespace: string, tasks: number): ChildProcess {
  const program = fileURLToPath(new URL('./floor.ts', import.meta.url));
  const args = [program, addresses.floor, `${tasks}`];
  const inside = [`--net=/run/netns/${namespace}`, process.execPath, ...args];
  return spawn('nsenter', inside, { stdio: 'ignore' });
}

function startPeer(directory: string, namespace: string): ChildProcess {
  const args = [
    ...['--keep-in-foreground', '--no-resolv', '--no-hosts', '--pid-file=', '--user=root'],
    ...['--conf-file=/dev/null', '--cache-size=10000', '--bind-interfaces'],
    ...[`--addn-hosts=${join(directory, 'hosts')}`, `--listen-address=${addresses.peer}`],
    // Otherwise it takes the loopback device, and with it every address.
    '--except-interface=none',
  ];
  const inside = [`--net=/run/netns/${namespace}`, peer, ...args];
  return spawn('nsenter', inside, { stdio: 'ignore' });
}

/** Gives both servers the same names: ours as last known networks, the peer as a file of hosts. */
function writeNames(directory: string, namespace: string, tasks: number): void {
  const virtual = `${subnet}.200`;
  const numbers = Array.from({ length: tasks }, (_, at) => at + 1);
  const addressOf = (task: number): string => `${subnet}.${task + 10}`;
  const service = { id: 'web', name: 'web', aliases: [], mode: 'vip', virtualIps: [virtual] };
  const records = numbers.map((slot) => ({
    networkId: 'bench',
    endpointId: `task-${slot}`,
    kind: 'task',
    nodeId: 'here',
    vtep: '192.0.2.1',
    addresses: [addressOf(slot)],
    name: `web.${slot}.task-${slot}`,
    containerAliases: [],
    slot,
    service: { ...service, ports: [] },
    serving: true,
  }));
  const network = {
    id: 'bench',
    name: 'bench',
    namespace: `/run/netns/${namespace}`,
    subnets: [{ subnet: `${subnet}.0/24`, gateway: addresses.ours, vni: 1 }],
    internal: true,
    ingress: false,
    mtu: 1_450,
    balancerAddresses: [],
    upstreams: [],
    local: [],
  };
  mkdirSync(join(directory, 'dns'));
  const known = { version: 1, networks: [{ network, records }] };
  writeFileSync(join(directory, 'dns/networks.json'), JSON.stringify(known));
  const hosts = [`${virtual} web`, ...numbers.map((task) => `${addressOf(task)} tasks.web`)];
  writeFileSync(join(directory, 'hosts'), `${hosts.join('\n')}\n`);
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
