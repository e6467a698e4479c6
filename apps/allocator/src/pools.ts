import {
  type Address,
  type AddressRange,
  type Cidr,
  canonical,
  type Family,
  familyBits,
  formatAddress,
  formatCidr,
  hostsOf,
  type IpamConfig,
  type Network,
  type NetworkSubnet,
  networkSpecFault,
  overlaps,
  parseCidr,
  rangeOf,
  type StateView,
  subnetBlocks,
  uniqueLocalRange,
  vniMax,
  vxlanIds,
} from '@shoal/state';

/** What `docker swarm init` uses without `--default-addr-pool`. */
const defaultPools: readonly string[] = ['10.0.0.0/8'];
export const defaultSubnetSize = 24;
/** Prefix length of IPv6 subnets that nobody asked for. */
export const ipv6SubnetSize = 64;
/** Windows hosts cannot use smaller identifiers. */
const vniFirst = 4096;

export type NetworkAnswer =
  | { readonly kind: 'allocated'; readonly subnets: readonly NetworkSubnet[] }
  /** One sentence for people. */
  | { readonly kind: 'problem'; readonly message: string };

interface Taken extends AddressRange {
  readonly subnet: string;
  /** Name of the network. */
  readonly network: string;
}

interface Wanted {
  readonly cidr: Cidr;
  readonly gateway: string;
}

class NoSubnet {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** The subnets and VXLAN identifiers that are taken, and those that this step adds. */
export class Pools {
  readonly #view: StateView;
  readonly #taken: Taken[] = [];
  readonly #vnis = new Map<number, string>();
  readonly #resting: readonly NetworkSubnet[];

  /** `resting` are given to nobody who did not name them, as long as there are others. */
  constructor(view: StateView, resting: readonly NetworkSubnet[] = []) {
    this.#view = view;
    this.#resting = resting;
    for (const network of view.networks.values()) this.#take(network, network.allocation);
    this.#sort();
  }

  /** Subnets for the network, each the first that is free, and an identifier. They are taken with this. */
  allocate(network: Network): NetworkAnswer {
    const { spec } = network;
    const fault = networkSpecFault(spec);
    if (fault !== undefined) return problem(`network ${spec.Name}: ${fault}`);
    const wanted = this.#wanted(network);
    if (wanted instanceof NoSubnet) return problem(wanted.message);
    const vnis = this.#identifiers(network);
    if (vnis instanceof NoSubnet) return problem(vnis.message);
    const subnets = wanted.map(({ cidr, gateway }, at) => {
      const vni = vnis[at] ?? vnis[0] ?? vniFirst;
      return { subnet: formatCidr(cidr), gateway, vni };
    });
    this.#take(network, { subnets, at: network.meta.createdAt });
    this.#sort();
    return { kind: 'allocated', subnets };
  }

  #take({ spec }: Network, allocation: Network['allocation']): void {
    const network = spec.Name;
    for (const { range, subnet } of subnetBlocks(allocation))
      this.#taken.push({ ...range, subnet, network });
    for (const { vni } of allocation?.subnets ?? []) this.#vnis.set(vni, network);
  }

  #sort(): void {
    this.#taken.sort(byFirst);
  }

  #wanted(network: Network): readonly Wanted[] | NoSubnet {
    const { spec } = network;
    const configs = spec.IPAM?.Configs ?? [];
    const wanted: Wanted[] = [];
    const families = new Set<Family>();
    const add = (one: Wanted | NoSubnet): NoSubnet | undefined => {
      if (one instanceof NoSubnet) return one;
      const range = rangeOf(one.cidr);
      const twin = wanted.find(({ cidr }) => overlaps(rangeOf(cidr), range));
      if (twin !== undefined) return overlap(network, one.cidr, formatCidr(twin.cidr), 'itself');
      families.add(one.cidr.address.family);
      wanted.push(one);
      return undefined;
    };
    for (const config of configs) {
      const cidr = config.Subnet ? parseCidr(config.Subnet) : undefined;
      if (cidr === undefined) continue;
      const failure = add(this.#asked(network, config, cidr));
      if (failure !== undefined) return failure;
    }
    const automatic: Family[] = families.has(4) ? [] : [4];
    if (spec.EnableIPv6 === true && !families.has(6)) automatic.push(6);
    for (const family of automatic) {
      const failure = add(this.#free(network, family));
      if (failure !== undefined) return failure;
    }
    return wanted;
  }

  #asked(network: Network, { Gateway }: IpamConfig, cidr: Cidr): Wanted | NoSubnet {
    const range = rangeOf(cidr);
    const other = this.#taken.find((taken) => overlaps(taken, range));
    if (other !== undefined) return overlap(network, cidr, other.subnet, other.network);
    return { cidr, gateway: (Gateway && canonical(Gateway)) || firstHost(cidr) };
  }

  #free(network: Network, family: Family): Wanted | NoSubnet {
    const pools = this.#pools(family);
    for (const taken of [this.#withResting(), this.#taken])
      for (const { pool, prefix } of pools) {
        const address = gap(taken, rangeOf(pool), BigInt(familyBits[family] - prefix));
        if (address === undefined) continue;
        const cidr = { address, prefix };
        return { cidr, gateway: firstHost(cidr) };
      }
    const [first] = pools;
    const where = pools.map(({ pool }) => formatCidr(pool)).join(', ');
    return new NoSubnet(
      `no free subnet of size /${first?.prefix ?? ipv6SubnetSize} is left in ${where} for network ${network.spec.Name}: remove a network that is not needed or name a subnet with --subnet`,
    );
  }

  #pools(family: Family): readonly { readonly pool: Cidr; readonly prefix: number }[] {
    const { cluster } = this.#view;
    const texts = cluster?.defaultAddressPool ?? [];
    const size = cluster?.subnetSize || defaultSubnetSize;
    const read = (all: readonly string[]): Cidr[] =>
      all.flatMap((text) => {
        const pool = parseCidr(text);
        return pool?.address.family === family ? [pool] : [];
      });
    const given = read(texts);
    const pools = given.length > 0 ? given : this.#fallback(family, read);
    const prefix = family === 4 ? size : ipv6SubnetSize;
    return pools.map((pool) => ({ pool, prefix: Math.max(prefix, pool.prefix) }));
  }

  #fallback(family: Family, read: (all: readonly string[]) => Cidr[]): Cidr[] {
    return family === 4 ? read(defaultPools) : [uniqueLocalRange(this.#view.cluster?.id ?? '')];
  }

  #withResting(): readonly AddressRange[] {
    const resting = this.#resting.flatMap(({ subnet }) => {
      const cidr = parseCidr(subnet);
      return cidr === undefined ? [] : [rangeOf(cidr)];
    });
    return [...this.#taken, ...resting].sort(byFirst);
  }

  #identifiers(network: Network): readonly number[] | NoSubnet {
    const asked = vxlanIds(network.spec) ?? [];
    for (const vni of asked) {
      const holder = this.#vnis.get(vni);
      if (holder !== undefined)
        return new NoSubnet(
          `VXLAN identifier ${vni} of network ${network.spec.Name} is used by network ${holder}: name another one or remove that network`,
        );
    }
    if (asked.length > 0) return asked;
    const resting = new Set(this.#resting.map(({ vni }) => vni));
    for (const rests of [resting, new Set<number>()])
      for (let vni = vniFirst; vni <= vniMax; vni += 1)
        if (!this.#vnis.has(vni) && !rests.has(vni)) return [vni];
    return new NoSubnet(
      `no VXLAN identifier is left for network ${network.spec.Name}: remove a network that is not needed`,
    );
  }
}

/** First address of the first block of 2^`bits` addresses in the pool that overlaps with none. */
function gap(
  /** Sorted. */
  taken: readonly AddressRange[],
  { family, first, last }: AddressRange,
  bits: bigint,
): Address | undefined {
  const size = 1n << bits;
  let value = first;
  for (const other of taken) {
    if (other.family !== family || other.last < value) continue;
    if (other.first > value + size - 1n) break;
    value = ((other.last >> bits) + 1n) << bits;
  }
  return value + size - 1n <= last ? { family, value } : undefined;
}

function byFirst(a: AddressRange, b: AddressRange): number {
  return a.first < b.first ? -1 : Number(a.first > b.first);
}

function problem(message: string): NetworkAnswer {
  return { kind: 'problem', message };
}

function overlap({ spec }: Network, cidr: Cidr, other: string, holder: string): NoSubnet {
  const whose = holder === 'itself' ? 'the network itself' : `network ${holder}`;
  return new NoSubnet(
    `subnet ${formatCidr(cidr)} of network ${spec.Name} overlaps with ${other} of ${whose}: choose another --subnet`,
  );
}

function firstHost(cidr: Cidr): string {
  const { family, first } = hostsOf(cidr);
  return formatAddress({ family, value: first });
}
