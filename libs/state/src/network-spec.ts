import { parseAddress } from './address/address.ts';
import {
  type Cidr,
  contains,
  containsRange,
  hostsOf,
  isNetwork,
  parseCidr,
  rangeOf,
  sizeOf,
} from './address/cidr.ts';
import { hash40 } from './address/mac.ts';
import type { IpamConfig, NetworkSpec } from './spec.ts';

/** Subnets that a user may give one network. */
export const subnetsMax = 64;
/** VXLAN network identifiers have 24 bits. */
export const vniMax = 2 ** 24 - 1;
export const vniOption = 'com.docker.network.driver.overlay.vxlanid_list';

/** What is wrong with the subnets, ranges and identifiers that a user asks for; undefined when nothing is. */
export function networkSpecFault(spec: NetworkSpec): string | undefined {
  const configs = spec.IPAM?.Configs ?? [];
  if (configs.length > subnetsMax) return `a network has at most ${subnetsMax} subnets`;
  for (const config of configs) {
    const fault = configFault(config);
    if (fault !== undefined) return fault;
  }
  return vxlanIds(spec) === undefined
    ? `${vniOption} is a list of numbers from 1 to ${vniMax}, not ${spec.DriverOptions?.[vniOption]}`
    : undefined;
}

function configFault({ Subnet, IPRange, Gateway, AuxAddresses }: IpamConfig): string | undefined {
  if (Subnet === undefined || Subnet === '')
    return IPRange || Gateway || Object.keys(AuxAddresses ?? {}).length > 0
      ? 'an IP range, a gateway and auxiliary addresses need a subnet'
      : undefined;
  const subnet = parseCidr(Subnet);
  if (subnet === undefined) return `invalid subnet ${Subnet}: it is no CIDR block`;
  if (!isNetwork(subnet)) return `invalid subnet ${Subnet}: it has host bits set`;
  if (sizeOf(hostsOf(subnet)) < 2n || sizeOf(rangeOf(subnet)) < 4n)
    return `invalid subnet ${Subnet}: it has no room for a gateway and an address`;
  const range = IPRange ? parseCidr(IPRange) : undefined;
  if (IPRange && (range === undefined || !containsRange(rangeOf(subnet), rangeOf(range))))
    return `invalid IP range ${IPRange}: it is not in subnet ${Subnet}`;
  if (Gateway && !isHost(subnet, Gateway))
    return `invalid gateway ${Gateway}: it is no host address of subnet ${Subnet}`;
  for (const [name, text] of Object.entries(AuxAddresses ?? {}))
    if (!isHost(subnet, text))
      return `invalid auxiliary address ${name}=${text}: it is no host address of subnet ${Subnet}`;
  return undefined;
}

function isHost(subnet: Cidr, text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && contains(hostsOf(subnet), address);
}

/** The VXLAN identifiers that the user asks for, often none; undefined when they are malformed. */
export function vxlanIds({ DriverOptions }: NetworkSpec): readonly number[] | undefined {
  const list = DriverOptions?.[vniOption];
  if (list === undefined || list === '') return [];
  const ids = list.split(',').map((text) => (/^\d{1,8}$/.test(text.trim()) ? Number(text) : 0));
  return ids.every((id) => id >= 1 && id <= vniMax) ? ids : undefined;
}

const ulaPrefixBits = 48;

/** The cluster's own range of unique local addresses (RFC 4193): fd and 40 bits of a hash of its id. */
export function uniqueLocalRange(clusterId: string): Cidr {
  const id = hash40([...new TextEncoder().encode(clusterId)]);
  let value = 0xfdn;
  for (const byte of id) value = (value << 8n) | BigInt(byte);
  return { address: { family: 6, value: value << 80n }, prefix: ulaPrefixBits };
}
