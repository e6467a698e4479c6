import { BlockList } from 'node:net';
import { type HostNetwork, type HostTable, type LocalEndpoint, servedDigest } from '@shoal/overlay';
import { addressOf, type EndpointRecord, familyOf } from '@shoal/state';
import { canonicalName } from '../wire/names.ts';
import { Claims } from './claims.ts';
import {
  type NameClaim,
  namesOf,
  type PointerClaim,
  pointersOf,
  ranks,
  type Target,
} from './record-names.ts';

/** What a name stands for. Without targets the name is known and nobody serves under it now. */
export interface NameEntry {
  readonly ttlSeconds: number;
  readonly targets: readonly Target[];
}

/**
 * One network in the form in which it is looked things up in. Kept up to date by what differs: one task
 * of a thousand that comes or goes costs what one task costs, but for the digest.
 */
export class NetworkZone {
  #network: HostNetwork;
  #askers: ReadonlyMap<string, LocalEndpoint>;
  #subnets: BlockList;
  #name = '';
  #digest = '';
  readonly #records = new Map<string, EndpointRecord>();
  readonly #names = new Claims<NameClaim>();
  readonly #pointers = new Claims<PointerClaim>();
  /** What was asked for since it last changed. */
  readonly #entries = new Map<string, NameEntry>();

  constructor(table: HostTable) {
    this.#network = table.network;
    this.#askers = askersOf(table.network);
    this.#subnets = subnetsOf(table.network);
    this.update(table);
  }

  get network(): HostNetwork {
    return this.#network;
  }

  /** Canonical. */
  get name(): string {
    return this.#name;
  }

  get namesCount(): number {
    return this.#names.size;
  }

  /** Of the records that are loaded, see `servedDigest`. */
  get digest(): string {
    return this.#digest;
  }

  /** The container of this host that has the canonical address in this network. */
  asker(address: string): LocalEndpoint | undefined {
    return this.#askers.get(address);
  }

  /** Whether the canonical address is one of this network's. */
  contains(address: string): boolean {
    return this.#subnets.check(address, familyName(address));
  }

  /** By canonical name, relative to the network. */
  find(name: string): NameEntry | undefined {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const claims = this.#names.get(name);
    if (claims === undefined) return undefined;
    const entry = entryOf(claims);
    this.#entries.set(name, entry);
    return entry;
  }

  /** By canonical address. */
  pointer(address: string): PointerClaim | undefined {
    return this.#pointers.get(address)?.[0];
  }

  update({ network, records }: HostTable): void {
    const name = canonicalName(network.name);
    // Names of addresses carry the network's.
    if (name !== this.#name || network.ingress !== this.#network.ingress) this.#forget();
    if (network !== this.#network) {
      this.#askers = askersOf(network);
      this.#subnets = subnetsOf(network);
    }
    this.#name = name;
    this.#network = network;
    for (const [endpointId, record] of this.#records) {
      if (records.get(endpointId) !== record) this.#take(endpointId, record);
    }
    for (const [endpointId, record] of records) {
      if (!this.#records.has(endpointId)) this.#put(endpointId, record);
    }
    this.#digest = servedDigest(this.#records.values(), 'names');
  }

  #put(endpointId: string, record: EndpointRecord): void {
    this.#records.set(endpointId, record);
    // The routing mesh's own network has no names, as in Docker.
    if (this.#network.ingress) return;
    for (const claim of namesOf(record)) {
      this.#names.add(claim.name, endpointId, claim);
      this.#entries.delete(claim.name);
    }
    for (const claim of pointersOf(record, this.#name)) {
      this.#pointers.add(claim.address, endpointId, claim);
    }
  }

  #take(endpointId: string, record: EndpointRecord): void {
    this.#records.delete(endpointId);
    for (const { name } of namesOf(record)) {
      this.#names.remove(name, endpointId);
      this.#entries.delete(name);
    }
    for (const { address } of pointersOf(record, this.#name)) {
      this.#pointers.remove(address, endpointId);
    }
  }

  #forget(): void {
    this.#records.clear();
    this.#names.clear();
    this.#pointers.clear();
    this.#entries.clear();
  }
}

/** The best rank has the name; those of one rank share it, each address once. */
function entryOf(claims: readonly NameClaim[]): NameEntry {
  const rank = ranks.find((each) => claims.some((claim) => claim.rank === each));
  const targets = new Map<string, Target>();
  let ttlSeconds = Number.POSITIVE_INFINITY;
  for (const claim of claims) {
    if (claim.rank !== rank) continue;
    ttlSeconds = Math.min(ttlSeconds, claim.ttlSeconds);
    const { target } = claim;
    if (target !== undefined) targets.set(`${target.ipv4}/${target.ipv6}`, target);
  }
  return { ttlSeconds, targets: [...targets.values()] };
}

function askersOf(network: HostNetwork): ReadonlyMap<string, LocalEndpoint> {
  return new Map(
    network.local.flatMap((endpoint) =>
      endpoint.addresses.map((address) => [addressOf(address), endpoint] as const),
    ),
  );
}

function subnetsOf(network: HostNetwork): BlockList {
  const list = new BlockList();
  for (const { subnet } of network.subnets) {
    const prefix = Number(subnet.slice(subnet.indexOf('/') + 1));
    list.addSubnet(addressOf(subnet), prefix, familyName(subnet));
  }
  return list;
}

function familyName(address: string): 'ipv4' | 'ipv6' {
  return familyOf(address) === 4 ? 'ipv4' : 'ipv6';
}
