import { type AddressRange, type Cidr, parseCidr, rangeOf } from './address/cidr.ts';
import type { NetworkAllocation } from './objects.ts';

/** A subnet of an allocation, read. */
export interface SubnetBlock {
  /** Canonical. */
  readonly subnet: string;
  readonly gateway: string;
  readonly cidr: Cidr;
  readonly range: AddressRange;
}

const blocks = new WeakMap<NetworkAllocation, readonly SubnetBlock[]>();

/** The subnets as ranges; read once for each allocation. None when there is no allocation yet. */
export function subnetBlocks(allocation: NetworkAllocation | undefined): readonly SubnetBlock[] {
  if (allocation === undefined) return [];
  let found = blocks.get(allocation);
  if (found === undefined) {
    found = allocation.subnets.flatMap(({ subnet, gateway }) => {
      const cidr = parseCidr(subnet);
      return cidr === undefined ? [] : { subnet, gateway, cidr, range: rangeOf(cidr) };
    });
    blocks.set(allocation, found);
  }
  return found;
}
