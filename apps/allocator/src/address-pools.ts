import {
  type AddressRange,
  addressOf,
  type Cidr,
  contains,
  type Family,
  familyOf,
  hostsOf,
  type Network,
  parseAddress,
  parseCidr,
  rangeOf,
  type StateView,
  subnetBlocks,
} from '@shoal/state';

/** What one subnet has to give. */
export interface AddressPool {
  readonly subnet: string;
  readonly cidr: Cidr;
  readonly range: AddressRange;
  /** Addresses in the range. */
  readonly size: number;
}

export interface FamilyPools {
  readonly pools: readonly AddressPool[];
  /** Addresses in all ranges together. */
  readonly size: number;
  /** The network's own addresses that lie in no range: they count as taken, and take nothing. */
  readonly outside: number;
  /** The user named a range in a subnet: containers run by hand may have addresses outside of it. */
  readonly isNarrowed: boolean;
}

/** Beyond it a size is only "more than anybody needs"; numbers stay exact. */
const sizeMax = 2 ** 50;

const known = new WeakMap<Network, Readonly<Record<Family, FamilyPools>>>();

/** The pools of a network's subnets, in their order; read once for each network. */
export function poolsOf(network: Network): Readonly<Record<Family, FamilyPools>> {
  let pools = known.get(network);
  if (pools === undefined) {
    pools = { 4: readPools(network, 4), 6: readPools(network, 6) };
    known.set(network, pools);
  }
  return pools;
}

/** How many of the addresses that the pools have to give are taken. */
export function usedOf(view: StateView, network: Network, family: Family): number {
  const { outside } = poolsOf(network)[family];
  return view.addresses(network.id).count(family) - outside - strays(view, network, family);
}

/** Addresses beside the user's range, which only containers run by hand can have: they name them. */
function strays(view: StateView, network: Network, family: Family): number {
  const { id } = network;
  const { pools, isNarrowed } = poolsOf(network)[family];
  if (!isNarrowed || view.attachments.countByNetwork(id, 'container') === 0) return 0;
  let count = 0;
  for (const { kind, addresses } of view.attachments.byNetwork(id))
    if (kind === 'container')
      for (const text of addresses.map(addressOf))
        if (familyOf(text) === family && !isInside(text, pools)) count += 1;
  return count;
}

/** Whether the address, once it is taken, counts in {@link usedOf}. */
export function isCounted(network: Network, text: string): boolean {
  const { pools, isNarrowed } = poolsOf(network)[familyOf(text)];
  return !isNarrowed || isInside(text, pools);
}

function readPools({ spec, allocation }: Network, family: Family): FamilyPools {
  const configs = spec.IPAM?.Configs ?? [];
  const own: string[] = [];
  let isNarrowed = false;
  const pools = subnetBlocks(allocation).flatMap(({ subnet, cidr, gateway }) => {
    if (cidr.address.family !== family) return [];
    const config = configs.find(({ Subnet }) => {
      const asked = Subnet ? parseCidr(Subnet) : undefined;
      return asked !== undefined && sameBlock(asked, cidr);
    });
    own.push(gateway, ...Object.values(config?.AuxAddresses ?? {}));
    isNarrowed ||= Boolean(config?.IPRange);
    const range = narrowed(hostsOf(cidr), config?.IPRange);
    const size = Number(range.last - range.first) + 1;
    return [{ subnet, cidr, range, size: Math.max(0, Math.min(size, sizeMax)) }];
  });
  const outside = new Set(own).size - new Set(own.filter((text) => isInside(text, pools))).size;
  return { pools, size: pools.reduce((sum, { size }) => sum + size, 0), outside, isNarrowed };
}

function sameBlock(a: Cidr, b: Cidr): boolean {
  const one = rangeOf(a);
  const other = rangeOf(b);
  return one.family === other.family && one.first === other.first && a.prefix === b.prefix;
}

function isInside(text: string, pools: readonly AddressPool[]): boolean {
  const address = parseAddress(text);
  return address !== undefined && pools.some(({ range }) => contains(range, address));
}

/** The hosts that are in the user's range too. */
function narrowed(hosts: AddressRange, text: string | undefined): AddressRange {
  const cidr = text ? parseCidr(text) : undefined;
  if (cidr === undefined) return hosts;
  const asked = rangeOf(cidr);
  let { first, last } = hosts;
  if (asked.first > first) first = asked.first;
  if (asked.last < last) last = asked.last;
  return { family: hosts.family, first, last };
}
