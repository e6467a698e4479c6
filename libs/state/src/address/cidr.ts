import {
  type Address,
  addressOf,
  type Family,
  familyBits,
  formatAddress,
  parseAddress,
  parsePrefix,
} from './address.ts';

/** An address with prefix length, as written: `10.0.1.5/24` keeps its host bits. */
export interface Cidr {
  readonly address: Address;
  readonly prefix: number;
}

/** Addresses from `first` to `last`, both included. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseAddress(addressOf(text));
  if (address === undefined) return undefined;
  const prefix = parsePrefix(text.slice(slash + 1), address.family);
  return prefix === undefined ? undefined : { address, prefix };
}

export function formatCidr({ address, prefix }: Cidr): string {
  return `${formatAddress(address)}/${prefix}`;
}

/** Every address of the block that the CIDR lies in, network and broadcast address included. */
export function rangeOf({ address: { family, value }, prefix }: Cidr): AddressRange {
  const size = 1n << BigInt(familyBits[family] - prefix);
  const first = value - (value % size);
  return { family, first, last: first + size - 1n };
}

/** The CIDR with its host bits cleared: the network that it lies in. */
export function networkOf(cidr: Cidr): Cidr {
  const { family, first } = rangeOf(cidr);
  return { address: { family, value: first }, prefix: cidr.prefix };
}

export function isNetwork(cidr: Cidr): boolean {
  return rangeOf(cidr).first === cidr.address.value;
}

/**
 * Addresses of the block that hosts can have: without its first one, and without the IPv4 broadcast
 * address. Blocks of one or two addresses have no such, as in RFC 3021.
 */
export function hostsOf(cidr: Cidr): AddressRange {
  const { family, first, last } = rangeOf(cidr);
  if (last - first < 2n) return { family, first, last };
  return { family, first: first + 1n, last: family === 4 ? last - 1n : last };
}

export function sizeOf({ first, last }: AddressRange): bigint {
  return last < first ? 0n : last - first + 1n;
}

export function contains(range: AddressRange, { family, value }: Address): boolean {
  return family === range.family && range.first <= value && value <= range.last;
}

export function containsRange(outer: AddressRange, inner: AddressRange): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

export function overlaps(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** The address `n` places after the first of the range, counted from 0; undefined beyond its end. */
export function nth({ family, first, last }: AddressRange, n: bigint): Address | undefined {
  const value = first + n;
  return n < 0n || value > last ? undefined : { family, value };
}
