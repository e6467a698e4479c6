import { bridge, isPort, isTunnelName, type Layout } from './layout.ts';
import type { SeenLinks } from './seen.ts';

export type RepairKind = 'namespace' | 'bridge' | 'tunnel' | 'address' | 'port';

/** Lines of `ip` that belong together, in the host's namespace, the network's or its underlay's. */
export interface Step {
  readonly where: 'host' | 'underlay' | 'network';
  readonly lines: readonly string[];
}

export interface Repair {
  readonly kinds: readonly RepairKind[];
  /** In order. */
  readonly steps: readonly Step[];
}

/** Names of the network's ends of containers. */
export interface Ports {
  readonly joined: ReadonlySet<string>;
  /** The engine has no others: what else there is can go. */
  readonly isComplete: boolean;
}

/**
 * What makes a network's namespace what it should be. To build one is to repair one that is not there.
 * @param seen undefined: there is no such namespace.
 * @param ports the network's ends of containers. Addresses for single hosts that are not ours are left
 *   alone: they belong to the balancer.
 */
export function repairOf(given: Layout, seen: SeenLinks | undefined, ports: Ports): Repair {
  const layout = { ...given, mtu: mtuFor(given, seen) };
  const kinds = new Set<RepairKind>();
  const before: string[] = [];
  const host: string[] = [];
  const underlay = layout.underlay === undefined ? host : [];
  const inside: string[] = [];
  const note = (kind: RepairKind, lines: readonly string[], to: string[]): void => {
    if (lines.length === 0) return;
    kinds.add(kind);
    to.push(...lines);
  };
  if (seen === undefined) {
    note('namespace', [`netns add ${layout.namespace}`], host);
    inside.push('link set lo up');
  }
  note('bridge', bridgeLines(layout, seen), inside);
  const stale = staleTunnel(layout, seen);
  note('tunnel', stale, before);
  const present = stale.length === 0 && seen?.get(layout.device) !== undefined;
  if (!present) note('tunnel', tunnelCreation(layout), underlay);
  note('tunnel', tunnelLines(layout, present ? seen : undefined), inside);
  note('address', addressLines(layout, seen), inside);
  note('port', portLines(seen, ports), inside);
  const steps: Step[] = [
    { where: 'network', lines: before },
    { where: 'host', lines: host },
    { where: 'underlay', lines: underlay === host ? [] : underlay },
    { where: 'network', lines: inside },
  ];
  return { kinds: [...kinds], steps: steps.filter(({ lines }) => lines.length > 0) };
}

/**
 * Containers keep the MTU that they began with, and a bridge drops without a word what is larger than the
 * MTU of the device it leaves by.
 */
function mtuFor({ mtu }: Layout, seen: SeenLinks | undefined): number {
  const ports = [...(seen ?? [])].filter(([name]) => isPort(name));
  return Math.max(mtu, ...ports.map(([, port]) => port.mtu));
}

function bridgeLines(layout: Layout, seen: SeenLinks | undefined): string[] {
  const { mac, mtu, owner } = layout;
  const found = seen?.get(bridge);
  const set = `link set ${bridge} mtu ${mtu} address ${mac} alias ${owner} addrgenmode none up`;
  // Nobody asks here which groups there are, so frames to groups must reach every port.
  if (found === undefined) return [`link add ${bridge} type bridge mcast_snooping 0`, set];
  const right = found.mtu === mtu && found.mac === mac && found.alias === owner;
  return found.up && right ? [] : [set];
}

/** A tunnel's identity cannot be changed, nor where its packets leave. */
function staleTunnel(layout: Layout, seen: SeenLinks | undefined): string[] {
  const stale: string[] = [];
  for (const [name, { tunnel }] of seen ?? []) {
    if (!isTunnelName(name)) continue;
    const same =
      name === layout.device &&
      tunnel?.vni === layout.vni &&
      tunnel.dstport === layout.dstport &&
      tunnel.vtep === layout.vtep &&
      tunnel.proxy &&
      !tunnel.learning;
    if (!same) stale.push(`link del ${name}`);
  }
  return stale;
}

/** Made in the host's namespace or the underlay's: there its packets leave, wherever it is moved to. */
function tunnelCreation(layout: Layout): string[] {
  const { device, vni, dstport, vtep, mtu, namespace } = layout;
  return [
    `link add ${device} mtu ${mtu} type vxlan id ${vni} dstport ${dstport} local ${vtep} nolearning proxy`,
    `link set ${device} netns ${namespace}`,
  ];
}

function tunnelLines(layout: Layout, seen: SeenLinks | undefined): string[] {
  const { device, mtu } = layout;
  const found = seen?.get(device);
  const right = found?.up === true && found.mtu === mtu && found.master === bridge;
  return right ? [] : [`link set ${device} mtu ${mtu} master ${bridge} addrgenmode none up`];
}

function addressLines(layout: Layout, seen: SeenLinks | undefined): string[] {
  const found = seen?.get(bridge);
  const there = new Set(found?.addresses);
  const missing = layout.addresses.filter((address) => !there.has(address));
  // Host routes are gateways or the balancer's; the one of a whole subnet is ours alone.
  const stale = [...there].filter(
    (address) => !isHostAddress(address) && !layout.addresses.includes(address),
  );
  const routes =
    found === undefined || missing.length > 0
      ? layout.routes.map((subnet) => `route replace ${subnet} dev ${bridge}`)
      : [];
  return [
    ...stale.map((address) => `addr del ${address} dev ${bridge}`),
    ...missing.map((address) => `addr replace ${address} dev ${bridge}${nodad(address)}`),
    ...routes,
  ];
}

function isHostAddress(address: string): boolean {
  return address.endsWith(address.includes(':') ? '/128' : '/32');
}

/** Addresses are unique by allocation; the kernel's own check would only delay them. */
export function nodad(address: string): string {
  return address.includes(':') ? ' nodad' : '';
}

function portLines(seen: SeenLinks | undefined, { joined, isComplete }: Ports): string[] {
  const found = [...(seen ?? [])].filter(([name]) => isPort(name));
  return found.flatMap(([name, link]) => {
    if (!joined.has(name)) return isComplete ? [`link del ${name}`] : [];
    return link.master === bridge && link.up ? [] : [plugLine(name)];
  });
}

/** Makes a port part of the network. */
export function plugLine(port: string): string {
  return `link set ${port} master ${bridge} addrgenmode none up`;
}
