import { canonicalAddress } from './address.ts';

const ipv4End = '.in-addr.arpa';
const ipv6End = '.ip6.arpa';

/** What a reverse name (`4.3.2.1.in-addr.arpa`, RFC 1035 and 3596) asks about, canonical; or undefined. */
export function reversedAddress(name: string): string | undefined {
  if (name.endsWith(ipv4End)) {
    const parts = name.slice(0, -ipv4End.length).split('.');
    return canonicalAddress(parts.reverse().join('.'));
  }
  if (!name.endsWith(ipv6End)) return undefined;
  const nibbles = name.slice(0, -ipv6End.length).split('.');
  if (nibbles.length !== 32 || nibbles.some((nibble) => !/^[0-9a-f]$/.test(nibble))) {
    return undefined;
  }
  const groups = nibbles.reverse().join('').match(/.{4}/g) ?? [];
  return canonicalAddress(groups.join(':'));
}
