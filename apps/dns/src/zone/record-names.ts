import { addressOf, type EndpointRecord, familyOf } from '@shoal/state';
import { canonicalName, isEncodable } from '../wire/names.ts';
import { addressBytes } from './address.ts';

/** How long an answer may be kept, seconds: tasks come and go, virtual addresses stay. */
export const ttlSeconds = { tasks: 5, virtual: 60 } as const;

/** One task or balancer that a name stands for. */
export interface Target {
  /** Canonical name by which it is found. */
  readonly name: string;
  readonly ipv4: Uint8Array | undefined;
  readonly ipv6: Uint8Array | undefined;
}

/**
 * Whom a name is looked up with first when several have it: a container that calls itself like a service
 * must not take over the service.
 */
export const ranks = ['service', 'container', 'slot', 'alias'] as const;
type Rank = (typeof ranks)[number];

/** What an endpoint says under one name. */
export interface NameClaim {
  readonly name: string;
  readonly rank: Rank;
  readonly ttlSeconds: number;
  /** Undefined: the name is known, but the endpoint does not serve now. */
  readonly target: Target | undefined;
}

export interface PointerClaim {
  /** Canonical. */
  readonly address: string;
  /** Canonical name with the network's behind it. */
  readonly name: string;
  readonly ttlSeconds: number;
}

/** All names by which an endpoint is found, itself or through its service. */
export function namesOf(record: EndpointRecord): readonly NameClaim[] {
  // A host's balancer has an address only.
  if (record.name === '') return [];
  const own = targetOf(record.name, record.addresses);
  const target = record.serving ? own : undefined;
  const claims: NameClaim[] = [];
  const claim = (name: string, rank: Rank, of = target, ttl: number = ttlSeconds.tasks): void => {
    const canonical = canonicalName(name);
    if (isEncodable(canonical)) claims.push({ name: canonical, rank, ttlSeconds: ttl, target: of });
  };
  claim(record.name, 'container');
  for (const alias of record.containerAliases) claim(alias, 'alias');
  const { service, slot } = record;
  if (service === undefined) return claims;
  for (const name of [service.name, ...service.aliases]) {
    claim(`tasks.${name}`, 'service');
    // Nobody is to be sent to an address that there is not.
    if (service.mode === 'dnsrr' || service.virtualIps.length === 0) claim(name, 'service');
    else {
      const virtual = record.serving ? targetOf(name, service.virtualIps) : undefined;
      claim(name, 'service', virtual, ttlSeconds.virtual);
    }
  }
  if (slot > 0) claim(`${slot}.${service.name}`, 'slot');
  return claims;
}

/** The names of an endpoint's addresses in the network of this canonical name. */
export function pointersOf(record: EndpointRecord, network: string): readonly PointerClaim[] {
  const { serving, addresses, name, service } = record;
  if (!serving || name === '') return [];
  const own = pointers(addresses, `${name}.${network}`, ttlSeconds.tasks);
  if (service?.mode !== 'vip') return own;
  const virtual = pointers(service.virtualIps, `${service.name}.${network}`, ttlSeconds.virtual);
  return [...own, ...virtual];
}

function pointers(addresses: readonly string[], name: string, ttl: number): PointerClaim[] {
  const canonical = canonicalName(name);
  if (!isEncodable(canonical)) return [];
  return addresses.map((address) => ({
    address: addressOf(address),
    name: canonical,
    ttlSeconds: ttl,
  }));
}

/** Undefined without an address: nobody can be sent there. */
function targetOf(name: string, addresses: readonly string[]): Target | undefined {
  let [ipv4, ipv6]: [Uint8Array | undefined, Uint8Array | undefined] = [undefined, undefined];
  for (const address of addresses) {
    const bytes = addressBytes(addressOf(address));
    if (familyOf(address) === 4) ipv4 ??= bytes;
    else ipv6 ??= bytes;
  }
  if (ipv4 === undefined && ipv6 === undefined) return undefined;
  return { name: canonicalName(name), ipv4, ipv6 };
}
