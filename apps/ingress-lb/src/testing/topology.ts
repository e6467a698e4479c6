import { type KernelCommands, kernelCommands } from '@shoal/overlay/kernel';
import { canonical, macOf } from '@shoal/state';
import { setSysctls } from '../kernel/sysctls.ts';

/** Hosts of the world: the third has no task. */
export const hostNames = ['a', 'b', 'c'] as const;
export type HostName = (typeof hostNames)[number];

export const taskPlaces = { t1: 'a', t2: 'a', t3: 'b', t4: 'b' } as const;
export type TaskName = keyof typeof taskPlaces;
export const taskNames = ['t1', 't2', 't3', 't4'] as const;

/** The two networks: the last part of the IPv4 prefix, and the VNI. */
export const networks = {
  demo: { part: 1, vni: 4_099, device: 'eth0' },
  ingress: { part: 0, vni: 4_098, device: 'eth1' },
} as const;
export type NetworkName = keyof typeof networks;

/** Endings of addresses in the networks. */
const endings = { client: 10, t1: 11, t2: 12, t3: 21, t4: 22 } as const;
const firstBalancer = 241;

export function address(network: NetworkName, ending: number, family: 4 | 6 = 4): string {
  const { part } = networks[network];
  const text = family === 4 ? `10.77.${part}.${ending}` : `fd77:0:0:${part}::${ending}`;
  return canonical(text) ?? text;
}

export function taskAddresses(network: NetworkName, name: keyof typeof endings): readonly string[] {
  return [address(network, endings[name]), address(network, endings[name], 6)];
}

export function balancerAddresses(network: NetworkName, host: HostName): readonly string[] {
  const ending = firstBalancer + hostNames.indexOf(host);
  return [address(network, ending), address(network, ending, 6)];
}

export function hostAddress(host: HostName | 'outside', family: 4 | 6 = 4): string {
  const ending = host === 'outside' ? 9 : hostNames.indexOf(host) + 1;
  return family === 4 ? `10.201.77.${ending}` : `fd77:c9::${ending}`;
}

/** No packet filter sits on a wire. */
const wireSysctls = {
  '?net/bridge/bridge-nf-call-arptables': '0',
  '?net/bridge/bridge-nf-call-iptables': '0',
  '?net/bridge/bridge-nf-call-ip6tables': '0',
};

/** Names and paths of the namespaces of one world. */
export class Topology {
  readonly prefix: string;
  readonly #commands: KernelCommands;

  constructor(prefix: string, commands = kernelCommands()) {
    this.prefix = prefix;
    this.#commands = commands;
  }

  path(part: string): string {
    return `/run/netns/${this.#name(part)}`;
  }

  #name(part: string): string {
    return `${this.prefix}-${part}`;
  }

  namespaceOf(host: HostName, network: NetworkName): string {
    return this.path(`${host}-${network}`);
  }

  /** @throws what the first failing command said. */
  async up(): Promise<void> {
    const steps: Step[] = [
      ...this.#parts().map((part) => ip('', `netns add ${this.#name(part)}`)),
      ...this.#parts().map((part) => ip(this.#name(part), 'link set lo up')),
      ip(this.#name('wire'), 'link add br0 type bridge'),
      ip(this.#name('wire'), 'link set br0 up'),
      ...[...hostNames, 'outside' as const].flatMap((end) => this.#wired(end)),
      ...hostNames.flatMap((host) => [
        ...this.#network(host, 'demo'),
        ...this.#network(host, 'ingress'),
      ]),
      ...taskNames.flatMap((task) => this.#task(task, taskPlaces[task], ['demo', 'ingress'])),
      ...this.#task('client', 'a', ['demo']),
    ];
    for (const batch of batches(steps)) await this.#run(batch);
    await setSysctls(this.#commands, this.path('wire'), wireSysctls);
  }

  async down(): Promise<void> {
    const lines = this.#parts().map((part) => `netns del ${this.#name(part)}`);
    const input = `${lines.join('\n')}\n`;
    await this.#commands.run({ program: 'ip', args: ['-force', '-batch', '-'], input });
  }

  async #run({ program, namespace, lines }: Batch): Promise<void> {
    const args = [...(namespace === '' ? [] : ['-n', namespace]), '-batch', '-'];
    const input = `${lines.join('\n')}\n`;
    const outcome = await this.#commands.run({ program, args, input });
    if (outcome.kind === 'failed') throw new Error(`${outcome.stderr} in\n${input}`);
  }

  #parts(): readonly string[] {
    const own = hostNames.flatMap((host) => [host, `${host}-demo`, `${host}-ingress`]);
    return ['wire', 'outside', 'client', ...own, ...taskNames];
  }

  #wired(end: HostName | 'outside'): readonly Step[] {
    const [namespace, wire] = [this.#name(end), this.#name('wire')];
    return [
      ip('', `link add w${end} netns ${wire} type veth peer name eth0 netns ${namespace}`),
      ip(wire, `link set w${end} master br0 up`),
      ip(namespace, `address add ${hostAddress(end)}/24 dev eth0`),
      ip(namespace, `address add ${hostAddress(end, 6)}/64 dev eth0 nodad`),
      ip(namespace, 'link set eth0 up'),
    ];
  }

  /** As the overlay driver of the agent builds it. */
  #network(host: HostName, network: NetworkName): readonly Step[] {
    const namespace = this.#name(`${host}-${network}`);
    const [v4 = '', v6 = ''] = balancerAddresses(network, host);
    const { vni } = networks[network];
    const tunnel = `id ${vni} dstport 4789 local ${hostAddress(host)} nolearning proxy`;
    return [
      ip(this.#name(host), `link add vx0 mtu 1450 type vxlan ${tunnel}`),
      ip(this.#name(host), `link set vx0 netns ${namespace}`),
      ...[
        `link add br0 mtu 1450 address ${macOf(v4)} type bridge`,
        `address add ${v4}/24 dev br0`,
        `address add ${v6}/64 dev br0 nodad`,
        `address add ${address(network, 1)}/32 dev br0`,
        'link set br0 up',
        'link set vx0 master br0 up',
      ].map((line) => ip(namespace, line)),
      ...this.#peers(host, network, macOf(v4) ?? '', [v4, v6]),
    ];
  }

  /** A container: on its host's bridges, with a default route that leads nowhere. */
  #task(name: keyof typeof endings, host: HostName, own: readonly NetworkName[]): readonly Step[] {
    const namespace = this.#name(name);
    return [
      ...own.flatMap((network) => {
        const { device } = networks[network];
        const home = this.#name(`${host}-${network}`);
        const [v4 = '', v6 = ''] = taskAddresses(network, name);
        const mac = macOf(v4) ?? '';
        const inner = `${device} mtu 1450 address ${mac} netns ${namespace}`;
        return [
          ip('', `link add v${name} mtu 1450 netns ${home} type veth peer name ${inner}`),
          ip(home, `link set v${name} master br0 up`),
          ip(namespace, `address add ${v4}/24 dev ${device}`),
          ip(namespace, `address add ${v6}/64 dev ${device} nodad`),
          ip(namespace, `link set ${device} up`),
          ...this.#peers(host, network, mac, [v4, v6]),
        ];
      }),
      ...[
        'link add out0 type veth peer name out1',
        'address add 172.31.77.2/24 dev out0',
        'link set out0 up',
        'link set out1 up',
        'route add default via 172.31.77.1 dev out0',
      ].map((line) => ip(namespace, line)),
    ];
  }

  /** Tells the other hosts where the addresses are. */
  #peers(
    host: HostName,
    network: NetworkName,
    mac: string,
    addresses: readonly string[],
  ): readonly Step[] {
    return hostNames
      .filter((other) => other !== host)
      .flatMap((other) => {
        const place = { namespace: this.#name(`${other}-${network}`), late: true } as const;
        const at = `dev vx0 self permanent dst ${hostAddress(host)}`;
        return [
          { ...place, program: 'bridge' as const, line: `fdb replace ${mac} ${at}` },
          ...addresses.map((each) => ({
            ...place,
            program: 'ip' as const,
            line: `neigh replace ${each} lladdr ${mac} dev vx0 nud permanent`,
          })),
        ];
      });
  }
}

interface Step {
  readonly program: 'ip' | 'bridge';
  /** Name of the namespace; empty: our own. */
  readonly namespace: string;
  readonly line: string;
  /** After all others, in any order. */
  readonly late: boolean;
}

interface Batch extends Pick<Step, 'program' | 'namespace'> {
  readonly lines: string[];
}

function ip(namespace: string, line: string): Step {
  return { program: 'ip', namespace, line, late: false };
}

/** Few calls of the tools: where they run is all that must not change within one. */
function batches(steps: readonly Step[]): readonly Batch[] {
  const place = ({ program, namespace }: Step): string => `${program} ${namespace}`;
  const late = steps.filter((step) => step.late);
  const ordered = [
    ...steps.filter((step) => !step.late),
    ...late.sort((a, b) => (place(a) < place(b) ? -1 : 1)),
  ];
  const found: Batch[] = [];
  for (const { program, namespace, line } of ordered) {
    const last = found.at(-1);
    if (last?.program === program && last.namespace === namespace) last.lines.push(line);
    else found.push({ program, namespace, lines: [line] });
  }
  return found;
}
