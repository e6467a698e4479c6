import { type NodeNetwork, namespaceName, overlayMtu } from '@shoal/overlay';
import { invariant } from '@shoal/runtime';
import {
  addressOf,
  contains,
  familyBits,
  familyOf,
  macOf,
  parseAddress,
  parseCidr,
  rangeOf,
} from '@shoal/state';
import type { OwnHost } from '../network/ports.ts';

/** The bridge of every network. */
export const bridge = 'br0';
/** Ethernet's MTU: what the underlay has when its device cannot be found. */
export const underlayMtuDefault = 1_500;
/** Names of interfaces may have 15 characters; the rest is of the endpoint's id. */
const portIdChars = 11;
const portPrefix = 'sh-';

/** How one network has to look in the kernel, apart from its containers and peers. */
export interface Layout {
  readonly namespace: string;
  /** Namespace in which the tunnel's packets leave; absent: the host's. */
  readonly underlay?: string | undefined;
  /** Name of the VXLAN device; of an encrypted network another, so that none is taken for the other. */
  readonly device: string;
  readonly vni: number;
  readonly dstport: number;
  readonly vtep: string;
  readonly mtu: number;
  /** Of the bridge. */
  readonly mac: string;
  /** Alias of the bridge: whose network it is. */
  readonly owner: string;
  /** With prefix length: the balancer's, and each gateway's as a host route. */
  readonly addresses: readonly string[];
  /** Subnets in which the bridge has no address of its own. */
  readonly routes: readonly string[];
}

export interface LayoutOptions {
  readonly underlayMtu: number;
  readonly owner: string;
  /** Namespace whose packets to other hosts go encrypted; absent: this host has none. */
  readonly encryptedUnderlay?: string | undefined;
}

/** All subnets of a network share the device of the first one's VNI. */
export function vniOf(network: NodeNetwork): number | undefined {
  return network.subnets[0]?.vni;
}

/**
 * Undefined while the network cannot be built: it has no subnet or no balancer address yet, or is encrypted
 * where nothing encrypts.
 */
export function layoutOf(
  network: NodeNetwork,
  own: OwnHost,
  { underlayMtu, owner, encryptedUnderlay }: LayoutOptions,
): Layout | undefined {
  const vni = vniOf(network);
  if (vni === undefined || network.balancerAddresses.length === 0) return undefined;
  if (network.encrypted && encryptedUnderlay === undefined) return undefined;
  const family = familyOf(own.vtep) === 6 ? 'ipv6' : 'ipv4';
  const gateways = network.subnets.map(
    ({ gateway }) => `${gateway}/${familyBits[familyOf(gateway)]}`,
  );
  return {
    namespace: namespaceName(vni),
    ...(network.encrypted
      ? { underlay: encryptedUnderlay, device: `she${vni}` }
      : { device: `shx${vni}` }),
    vni,
    dstport: network.dataPathPort,
    vtep: own.vtep,
    mtu: overlayMtu({ mtu: network.mtu ?? underlayMtu, family }, network.encrypted),
    mac: hardwareAddress(network.balancerAddresses),
    owner,
    addresses: [...network.balancerAddresses, ...gateways],
    routes: network.subnets
      .map(({ subnet }) => subnet)
      .filter(
        (subnet) => !network.balancerAddresses.some((address) => isInSubnet(subnet, address)),
      ),
  };
}

/** An interface with addresses of both families has the hardware address of its IPv4 one. */
export function hardwareAddress(addresses: readonly string[]): string {
  const address = addresses.find((each) => familyOf(each) === 4) ?? addresses[0] ?? '';
  const mac = macOf(addressOf(address));
  invariant(mac !== undefined, 'an endpoint has an address', { addresses });
  return mac;
}

/** Whether an address, with or without prefix length, lies in `subnet`. */
export function isInSubnet(subnet: string, address: string): boolean {
  const cidr = parseCidr(subnet);
  const host = parseAddress(addressOf(address));
  return cidr !== undefined && host !== undefined && contains(rangeOf(cidr), host);
}

/** The network's end of a container's interface; by its name the endpoint is known again. */
export function portName(dockerEndpointId: string): string {
  return portPrefix + dockerEndpointId.slice(0, portIdChars);
}

/** The container's end, until the engine takes it. */
export function plugName(dockerEndpointId: string): string {
  return `sc-${dockerEndpointId.slice(0, portIdChars)}`;
}

/** Whether a device is a network's tunnel, encrypted or not. */
export function isTunnelName(name: string): boolean {
  return /^sh[xe]\d+$/.test(name);
}

export function isPort(name: string): boolean {
  return name.startsWith(portPrefix);
}
