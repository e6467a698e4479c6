import { addressOf } from '../address/address.ts';
import { contains, hostsOf, isNetwork, overlaps, parseCidr } from '../address/cidr.ts';
import type { Network, NetworkAllocation, StateObject } from '../objects.ts';
import { type SubnetBlock, subnetBlocks } from '../subnet-blocks.ts';
import { heldAddresses, vnisOf } from '../tables/held.ts';
import type { StateTables } from '../tables/state-tables.ts';
import type { Refusal } from '../transaction.ts';
import type { AddressHolder } from '../view.ts';
import { immutable, missing } from './rules.ts';

/**
 * Every address that the object gets by this change is one of a subnet of its network, with the subnet's
 * prefix length, and nobody else's. What it had before is not judged again.
 */
export function addressRefusal<T extends StateObject>(
  tables: StateTables,
  table: Exclude<AddressHolder['table'], 'network'>,
  before: T | undefined,
  after: T,
): Refusal | undefined {
  const has = heldAddresses(table, after);
  if (has.length === 0) return undefined;
  const had = before === undefined ? [] : heldAddresses(table, before);
  for (const [at, { networkId, address }] of has.entries()) {
    const isSame = (other: { networkId: string; address: string }): boolean =>
      other.networkId === networkId && other.address === address;
    const again = has.findIndex(isSame) < at;
    if (!again && had.some(isSame)) continue;
    const network = tables.network.get(networkId);
    if (network === undefined) return missing(table, after.id, 'network', networkId);
    const of = { table, id: after.id, network: networkId, address: addressOf(address) };
    if (!isInside(network, address)) return { kind: 'address-outside', ...of };
    const holder = again ? of : tables.addresses(networkId).holder(of.address);
    if (holder !== undefined && (again || holder.id !== after.id || holder.table !== table))
      return { kind: 'address-taken', ...of, holder: { table: holder.table, id: holder.id } };
  }
  return undefined;
}

function isInside({ allocation }: Pick<Network, 'allocation'>, text: string): boolean {
  const cidr = parseCidr(text);
  if (cidr === undefined) return false;
  return subnetBlocks(allocation).some(
    (block) => block.cidr.prefix === cidr.prefix && contains(hostsOf(block.cidr), cidr.address),
  );
}

/** An allocation is for ever; its subnets and VXLAN identifiers are no other network's. */
export function allocationRefusal(
  tables: StateTables,
  before: Network | undefined,
  after: Network,
): Refusal | undefined {
  const { id, allocation } = after;
  if (before?.allocation !== undefined)
    return JSON.stringify(before.allocation) === JSON.stringify(allocation)
      ? reservedRefusal(tables, after)
      : immutable('network', id, 'allocation');
  if (allocation === undefined) return undefined;
  for (const vni of vnisOf(after)) {
    const holder = tables.vnis.get(vni);
    if (holder !== undefined && holder !== id)
      return { kind: 'vni-taken', network: id, vni, holder };
  }
  return subnetRefusal(tables, id, allocation) ?? reservedRefusal(tables, after);
}

/** Nobody has an address that is the network's own: its gateway, or one that its user reserved. */
function reservedRefusal(tables: StateTables, network: Network): Refusal | undefined {
  const { id } = network;
  for (const { address } of heldAddresses('network', network)) {
    const holder = tables.addresses(id).holder(address);
    if (holder !== undefined && holder.table !== 'network')
      return { kind: 'address-taken', table: 'network', id, network: id, address, holder };
  }
  return undefined;
}

function subnetRefusal(
  tables: StateTables,
  id: string,
  allocation: NetworkAllocation,
): Refusal | undefined {
  const own = subnetBlocks(allocation);
  const overlap = (block: SubnetBlock, holder: string, other: SubnetBlock): Refusal => {
    return {
      kind: 'subnet-overlap',
      network: id,
      subnet: block.subnet,
      holder,
      other: other.subnet,
    };
  };
  for (const [at, block] of own.entries()) {
    const { gateway } = block;
    if (!isNetwork(block.cidr) || !isInside({ allocation }, `${gateway}/${block.cidr.prefix}`))
      return { kind: 'address-outside', table: 'network', id, network: id, address: gateway };
    const twin = own.find((other, position) => position < at && overlaps(other.range, block.range));
    if (twin !== undefined) return overlap(block, id, twin);
  }
  for (const network of tables.network.values()) {
    if (network.id === id) continue;
    for (const other of subnetBlocks(network.allocation))
      for (const block of own)
        if (overlaps(other.range, block.range)) return overlap(block, network.id, other);
  }
  return undefined;
}
