import {
  addressOf,
  contains,
  type Family,
  familyOf,
  formatAddress,
  formatCidr,
  type Network,
  parseAddress,
  type StateView,
} from '@shoal/state';
import { type AddressPool, isCounted, poolsOf, usedOf } from './address-pools.ts';

/** Part of a network's addresses, at most, that is kept back for balancers. */
const keptBackShare = 0.25;

export const families: readonly Family[] = [4, 6];

/** Where the search for a free address goes on: subnet → the last address that was given. */
export class Cursors {
  readonly #last = new Map<string, bigint>();

  /**
   * The place to look after. Addresses are given round the subnet, so that one that has just become free
   * comes last. An allocator that has not given any yet goes on after the highest in use: what it cannot
   * know is what others gave and took back above that.
   */
  after(view: StateView, networkId: string, { subnet, range }: AddressPool): bigint {
    const key = `${networkId} ${subnet}`;
    const last = this.#last.get(key);
    if (last !== undefined) return last;
    let highest = range.first - 1n;
    const use = view.addresses(networkId);
    for (const text of use.addresses()) {
      if (familyOf(text) !== range.family || use.holder(text)?.table === 'network') continue;
      const value = parseAddress(text)?.value ?? 0n;
      if (value > highest && value <= range.last) highest = value;
    }
    this.#last.set(key, highest);
    return highest;
  }

  moved(networkId: string, { subnet }: AddressPool, to: bigint): void {
    this.#last.set(`${networkId} ${subnet}`, to);
  }

  forget(networkId: string): void {
    for (const key of this.#last.keys())
      if (key.startsWith(`${networkId} `)) this.#last.delete(key);
  }
}

export type Given =
  /** With prefix length, one of each family that the network has. */
  | { readonly kind: 'given'; readonly addresses: readonly string[] }
  /** The subnets of each family that has nothing left. */
  | { readonly kind: 'full'; readonly full: readonly string[] };

/** The addresses that one step gives, besides those that the state knows of. */
export class Addresses {
  readonly #view: StateView;
  readonly #cursors: Cursors;
  readonly #given = new Map<string, Noted>();
  /** Network id → balancers that got their addresses in this step. */
  readonly #balancers = new Map<string, number>();

  constructor(view: StateView, cursors: Cursors) {
    this.#view = view;
    this.#cursors = cursors;
  }

  /** A free address of each family for a service, a task or a container. */
  give(network: Network, of: readonly Family[] = families): Given {
    return this.#give(network, of, this.keptBack(network));
  }

  /** A free address of each family for a node's balancer: it may have one that is kept back. */
  giveBalancer(network: Network): Given {
    const given = this.#give(network, families, 0);
    if (given.kind === 'given')
      this.#balancers.set(network.id, (this.#balancers.get(network.id) ?? 0) + 1);
    return given;
  }

  /** Puts back what was not used after all: it is the next one again. */
  putBack(network: Network, addresses: readonly string[]): void {
    for (const text of addresses) {
      this.#given.get(network.id)?.delete(addressOf(text));
      const address = parseAddress(addressOf(text));
      const pool = poolsOf(network)[familyOf(text)].pools.find(
        ({ range }) => address !== undefined && contains(range, address),
      );
      if (pool === undefined || address === undefined) continue;
      if (this.#cursors.after(this.#view, network.id, pool) === address.value)
        this.#cursors.moved(network.id, pool, address.value - 1n);
    }
  }

  /** Takes this one address; false when somebody has it. */
  take(network: Network, address: string): boolean {
    if (this.#isTaken(network.id, address)) return false;
    this.#noted(network).add(address);
    return true;
  }

  /**
   * Every node that has no balancer in the network yet may still need one, and a task on it could not be
   * reached by its service's address without: so many addresses are not given to others.
   */
  keptBack(network: Network): number {
    const { id } = network;
    const balancers =
      this.#view.attachments.countByNetwork(id, 'node') + (this.#balancers.get(id) ?? 0);
    const missing = Math.max(0, this.#view.nodes.size - balancers);
    const { size } = poolsOf(network)[4];
    return Math.min(missing, Math.floor(size * keptBackShare));
  }

  #give(network: Network, of: readonly Family[], keptBack: number): Given {
    const addresses: string[] = [];
    const full: string[] = [];
    for (const family of of) {
      const { pools } = poolsOf(network)[family];
      if (pools.length === 0) continue;
      const text = this.#next(network, family, keptBack);
      if (text === undefined) full.push(pools.map(({ subnet }) => subnet).join(', '));
      else addresses.push(text);
    }
    if (full.length === 0) return { kind: 'given', addresses };
    this.putBack(network, addresses);
    return { kind: 'full', full };
  }

  #next(network: Network, family: Family, keptBack: number): string | undefined {
    const { pools, size } = poolsOf(network)[family];
    const used = this.#noted(network).used[family];
    if (size - used <= keptBack) return undefined;
    for (const pool of pools) {
      const found = this.#search(network, pool, used);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** At most `used` addresses are passed over, so the search ends soon also in huge subnets. */
  #search(network: Network, pool: AddressPool, used: number): string | undefined {
    const { id } = network;
    const { first, last, family } = pool.range;
    let value = this.#cursors.after(this.#view, id, pool);
    const steps = Math.min(pool.size, used + 1);
    for (let step = 0; step < steps; step += 1) {
      value = value >= last || value < first ? first : value + 1n;
      const address = formatAddress({ family, value });
      if (this.#isTaken(id, address)) continue;
      this.#cursors.moved(id, pool, value);
      this.#noted(network).add(address);
      return formatCidr({ address: { family, value }, prefix: pool.cidr.prefix });
    }
    return undefined;
  }

  #isTaken(networkId: string, address: string): boolean {
    return (
      this.#view.addresses(networkId).holder(address) !== undefined ||
      this.#given.get(networkId)?.all.has(address) === true
    );
  }

  #noted(network: Network): Noted {
    let noted = this.#given.get(network.id);
    if (noted === undefined) {
      noted = new Noted(this.#view, network);
      this.#given.set(network.id, noted);
    }
    return noted;
  }
}

/** The addresses of a network that the step gives, and how many are taken with them. */
class Noted {
  readonly all = new Set<string>();
  readonly used: Record<Family, number>;
  readonly #network: Network;

  constructor(view: StateView, network: Network) {
    this.#network = network;
    this.used = { 4: usedOf(view, network, 4), 6: usedOf(view, network, 6) };
  }

  add(address: string): void {
    this.all.add(address);
    if (isCounted(this.#network, address)) this.used[familyOf(address)] += 1;
  }

  delete(address: string): void {
    if (this.all.delete(address) && isCounted(this.#network, address))
      this.used[familyOf(address)] -= 1;
  }
}
