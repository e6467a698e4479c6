import { namespacePath } from '@shoal/overlay';
import { type Clock, errorMessage, type Logger, pause } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import type { CommandOutcome, Commands } from './commands.ts';
import { bridge, type Layout, plugName, portName } from './layout.ts';
import type { OverlayMetrics } from './metrics.ts';
import { type KernelPeers, kernelPeers, PeerTable, peerLines, peersOf } from './peers.ts';
import { nodad, type Ports, plugLine, repairOf, type Step } from './repair.ts';
import { readForwarding, readLinks, readNeighbours, type SeenLinks } from './seen.ts';

/** Routes between containers and balancer; bridged frames must not pass the host's packet filter. */
const sysctls = [
  'net/ipv4/ip_forward=1',
  'net/ipv6/conf/all/forwarding=1',
  'net/ipv4/conf/all/send_redirects=0',
  'net/ipv4/conf/default/send_redirects=0',
  // Replies of a task to a client outside come in by another way than they would go.
  'net/ipv4/conf/all/rp_filter=0',
  'net/ipv4/conf/default/rp_filter=0',
  'net/bridge/bridge-nf-call-iptables=0',
  'net/bridge/bridge-nf-call-ip6tables=0',
  'net/bridge/bridge-nf-call-arptables=0',
];

export type Done = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly message: string };

const ok: Done = { kind: 'ok' };
/** The kernel takes a namespace apart behind our back: until then its VNI is taken. */
const takenTries = { count: 10, pauseMs: 50 } as const;
const missingNamespace = /Cannot open network namespace/;
const missingThing = /No such file or directory|does not exist|Cannot find device/;
const takenVni = /File exists|VNI already exists/;

/** A container's interface, by the engine's id of its endpoint. */
export interface Plug {
  readonly id: string;
  readonly mac: string;
  /** Addresses of the interface, with prefix length. */
  readonly addresses: readonly string[];
}

export interface NamespaceOptions {
  readonly commands: Commands;
  readonly clock: Clock;
  readonly metrics: OverlayMetrics;
  readonly logger: Logger;
}

/**
 * The kernel's side of one network on this host: a namespace with a bridge, a tunnel device, the ends of
 * the containers' interfaces, and the peers. Calls must come one after the other; the driver's queue sees
 * to that.
 */
export class NetworkNamespace {
  readonly #commands: Commands;
  readonly #clock: Clock;
  readonly #metrics: OverlayMetrics;
  readonly #logger: Logger;
  #layout: Layout;
  readonly #peers: PeerTable;
  /** Undefined: what the kernel has must be read first. */
  #programmed: KernelPeers | undefined;
  /** False until somebody has said who the peers are: until then those of an earlier agent stay. */
  #peersKnown = false;

  constructor(layout: Layout, { commands, clock, metrics, logger }: NamespaceOptions) {
    this.#layout = layout;
    this.#commands = commands;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#logger = logger;
    this.#peers = new PeerTable(layout.vtep);
  }

  get layout(): Layout {
    return this.#layout;
  }

  /** Another layout of the same namespace, from the same tunnel end. Counts from the next repair on. */
  set layout(layout: Layout) {
    this.#layout = layout;
  }

  /** Remembered at once, programmed by {@link programPeers}. */
  setPeers(records: readonly EndpointRecord[]): void {
    this.#peersKnown = true;
    this.#peers.replace(records);
  }

  get programmedPeers(): readonly EndpointRecord[] {
    return this.#programmed === undefined ? [] : this.#peers.served(peersOf(this.#programmed));
  }

  get peerCount(): number {
    return this.#programmed?.neighbours.size ?? 0;
  }

  /**
   * Looks at what is there and makes it what it should be, peers apart.
   * @param isAudit whether it should have been so before.
   * @returns also the ports that containers have lost.
   */
  async repair(ports: Ports, isAudit: boolean): Promise<Done & { lost?: readonly string[] }> {
    const looked = await this.#look();
    if (looked.kind === 'failed') return looked;
    // Somebody took it away: it must not live on in what we have in it.
    if (looked.links === undefined) await this.#commands.leave(this.#layout.namespace);
    const { kinds, steps } = repairOf(this.#layout, looked.links, ports);
    if (looked.links === undefined || kinds.includes('tunnel')) this.#programmed = undefined;
    for (const step of steps) {
      const done = await this.#step(step);
      if (done.kind === 'failed') return done;
    }
    // Tools that stay remember numbers of devices that may have gone.
    if (steps.length > 0) await this.#commands.leave(this.#layout.namespace);
    if (looked.links === undefined || isAudit) {
      const path = namespacePath(this.#layout.vni);
      const set = await this.#commands.sysctl(path, sysctls);
      if (set.kind === 'failed') return set;
    }
    if (isAudit) for (const kind of kinds) this.#metrics.repaired(kind);
    if (isAudit && kinds.length > 0) {
      this.#logger.warn({ namespace: this.#layout.namespace, kinds }, 'overlay_repaired');
    }
    const lost = [...ports.joined].filter((port) => looked.links?.has(port) !== true);
    return { kind: 'ok', lost };
  }

  async #look(): Promise<
    | { readonly kind: 'ok'; readonly links: SeenLinks | undefined }
    | { readonly kind: 'failed'; readonly message: string }
  > {
    const shown = await this.#commands.show('ip', this.#layout.namespace, ['-d', 'addr', 'show']);
    if (shown.kind === 'failed') {
      return missingNamespace.test(shown.message) ? { kind: 'ok', links: undefined } : shown;
    }
    return read(() => ({ kind: 'ok', links: readLinks(shown.output) }));
  }

  async #step(step: Step): Promise<Done> {
    const { device, namespace, underlay } = this.#layout;
    const where = { host: undefined, underlay, network: namespace }[step.where];
    const done = await this.#commands.ip(where, step.lines);
    if (done.kind === 'ok') return ok;
    const [refused] = done.refused;
    if (refused === undefined || !takenVni.test(refused.message)) return done;
    if (!refused.command.startsWith(`link add ${device} `)) return done;
    return this.#takeVni(where, step.lines.slice(step.lines.indexOf(refused.command)));
  }

  /** What an agent that was killed has left where tunnels are made is taken away, nothing else. */
  async #takeVni(where: string | undefined, lines: readonly string[]): Promise<Done> {
    const { device, vni } = this.#layout;
    const dropped = await this.#commands.ip(where, [`link del ${device}`]);
    this.#logger.warn({ device, vni, dropped: dropped.kind }, 'overlay_leftover');
    for (let left = takenTries.count; left > 0; left -= 1) {
      const again = await this.#commands.ip(where, lines);
      if (again.kind === 'ok') return ok;
      if (!takenVni.test(again.message)) return again;
      await pause(this.#clock, takenTries.pauseMs);
    }
    return { kind: 'failed', message: `VXLAN id ${vni} is taken by another device of this host` };
  }

  /** Puts what changed since the last time into the kernel. `local`: addresses of containers here. */
  async programPeers(local: ReadonlySet<string>): Promise<Done> {
    if (!this.#peersKnown) return ok;
    if (this.#programmed === undefined) {
      const known = await this.#readPeers();
      if (known.kind === 'failed') return known;
      this.#programmed = known.peers;
    }
    const want = kernelPeers(this.#peers.wanted(local));
    const lines = peerLines(this.#layout.device, this.#programmed, want);
    const { namespace } = this.#layout;
    const outcomes = [
      await this.#commands.bridgeEach(namespace, lines.forwarding.set),
      await this.#commands.ipEach(namespace, lines.neighbours),
      await this.#commands.bridgeEach(namespace, lines.forwarding.drop),
    ];
    const failure = outcomes.find(isRealFailure);
    // After a failure nobody knows what the kernel has taken.
    this.#programmed = failure === undefined ? want : undefined;
    return failure ?? ok;
  }

  /** Whether the kernel has lost or kept what it should not have; the next programming puts that right. */
  async auditPeers(): Promise<Done> {
    const before = this.#programmed;
    if (before === undefined) return ok;
    const known = await this.#readPeers();
    if (known.kind === 'failed') return known;
    const { forwarding, neighbours } = peerLines(this.#layout.device, known.peers, before);
    const differs = forwarding.set.length + forwarding.drop.length + neighbours.length > 0;
    if (differs) {
      this.#metrics.repaired('peer');
      this.#logger.warn({ namespace: this.#layout.namespace }, 'overlay_peers_repaired');
    }
    this.#programmed = known.peers;
    return ok;
  }

  async #readPeers(): Promise<
    | { readonly kind: 'ok'; readonly peers: KernelPeers }
    | { readonly kind: 'failed'; readonly message: string }
  > {
    const { device, namespace } = this.#layout;
    const shown = await Promise.all([
      this.#commands.show('ip', namespace, ['neigh', 'show', 'dev', device, 'nud', 'permanent']),
      this.#commands.show('bridge', namespace, ['fdb', 'show', 'dev', device]),
    ]);
    const [neighbours, forwarding] = shown;
    if (neighbours.kind === 'failed') return neighbours;
    if (forwarding.kind === 'failed') return forwarding;
    return read(() => ({
      kind: 'ok',
      peers: {
        neighbours: readNeighbours(neighbours.output),
        forwarding: readForwarding(forwarding.output),
      },
    }));
  }

  /** A container is about to be plugged in. */
  expect(): void {
    this.#commands.expect(this.#layout.namespace);
  }

  /** Makes a container's interface. Returns its name in the host's namespace, where the engine takes it. */
  async plug(plug: Plug): Promise<Done & { readonly device?: string }> {
    const { mtu, namespace } = this.#layout;
    const port = portName(plug.id);
    const device = plugName(plug.id);
    const veth = `type veth peer name ${device} mtu ${mtu} address ${plug.mac}`;
    const lines = [
      `link add ${port} mtu ${mtu} ${veth} netns ${this.#commands.hostPid}`,
      plugLine(port),
    ];
    const made = await this.#commands.ipEach(namespace, lines);
    if (made.kind === 'ok') return { kind: 'ok', device };
    // The engine may ask again when it has lost the first answer.
    await this.unplug(plug.id);
    const again = await this.#commands.ipEach(namespace, lines);
    return again.kind === 'ok' ? { kind: 'ok', device } : again;
  }

  /** Gives a running container the interface back that went with its network's namespace. */
  async replug(plug: Plug, sandbox: string): Promise<Done> {
    const { mtu, namespace } = this.#layout;
    const port = portName(plug.id);
    const device = plugName(plug.id);
    const peer = `peer name ${device} mtu ${mtu} address ${plug.mac} netns ${sandbox}`;
    const made = await this.#commands.ip(namespace, [
      `link add ${port} mtu ${mtu} type veth ${peer}`,
      plugLine(port),
    ]);
    if (made.kind === 'failed') return made;
    const shown = await this.#commands.showAt(sandbox, ['-d', 'addr', 'show']);
    if (shown.kind === 'failed') return shown;
    const links = read(() => ({ kind: 'ok', links: readLinks(shown.output) }));
    if (links.kind === 'failed') return links;
    const name = freeName(links.links);
    const set = await this.#commands.ipAt(sandbox, [
      `link set ${device} name ${name}`,
      ...plug.addresses.map((address) => `addr add ${address} dev ${name}${nodad(address)}`),
      `link set ${name} up`,
    ]);
    return set.kind === 'ok' ? ok : set;
  }

  /**
   * The bridge may have learned the address on the tunnel, of the container that had it before: frames
   * would go there until the new one speaks.
   */
  async pin({ id, mac }: Plug): Promise<Done> {
    const line = `fdb replace ${mac} dev ${portName(id)} master static sticky`;
    const pinned = await this.#commands.bridgeEach(this.#layout.namespace, [line]);
    return pinned.kind === 'ok' ? ok : pinned;
  }

  /** Takes a container's interface away; takes the kernel some 16 ms. */
  async unplug(id: string): Promise<Done> {
    const gone = await this.#commands.ipEach(this.#layout.namespace, [`link del ${portName(id)}`]);
    return isRealFailure(gone) ? gone : ok;
  }

  /**
   * Takes the namespace away. Its devices go first: a socket that somebody holds in it would keep them,
   * and with them the VNI.
   */
  async remove(): Promise<Done> {
    this.#programmed = undefined;
    const { namespace, device } = this.#layout;
    return removeNamespace(this.#commands, namespace, [device, bridge]);
  }
}

export async function removeNamespace(
  commands: Commands,
  namespace: string,
  devices: readonly string[],
): Promise<Done> {
  const lines = devices.map((device) => `link del ${device}`);
  const emptied = await commands.ipEach(namespace, lines);
  if (isRealFailure(emptied)) return emptied;
  await commands.leave(namespace);
  const gone = await commands.ip(undefined, [`netns del ${namespace}`]);
  return isRealFailure(gone) ? gone : ok;
}

/** What was to go and is not there is as good as gone. */
function isRealFailure(
  outcome: CommandOutcome,
): outcome is CommandOutcome & { readonly kind: 'failed' } {
  if (outcome.kind === 'ok' || missingNamespace.test(outcome.message)) return false;
  if (outcome.refused.length === 0) return true;
  return outcome.refused.some(({ command, message }) => {
    const removes = /^(link|fdb|neigh|addr|netns) del /.test(command);
    return !removes || !missingThing.test(message);
  });
}

/** As the engine would name it. */
function freeName(links: SeenLinks): string {
  let number = 0;
  while (links.has(`eth${number}`)) number += 1;
  return `eth${number}`;
}

function read<T extends { readonly kind: 'ok' }>(
  parse: () => T,
): T | { readonly kind: 'failed'; readonly message: string } {
  try {
    return parse();
  } catch (error) {
    return { kind: 'failed', message: `unexpected output: ${errorMessage(error)}` };
  }
}
