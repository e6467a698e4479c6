import ipaddr from 'ipaddr.js';

export type Family = 4 | 6;

/** An address as a number; `value` is below 2^32 or 2^128. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** Bits of an address. */
export const familyBits: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** IPv4 as four decimal parts, or IPv6 without zone; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const number = parseIPv4(text);
  if (number !== undefined) return { family: 4, value: BigInt(number) };
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  return { family: 6, value: numberOf(ipaddr.IPv6.parse(text).toByteArray()) };
}

const fourParts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

/** Every replica reads many of these in each entry, so they are not left to a general parser. */
function parseIPv4(text: string): number | undefined {
  const parts = fourParts.exec(text);
  if (parts === null) return undefined;
  let value = 0;
  for (let at = 1; at < parts.length; at += 1) {
    const part = Number(parts[at]);
    if (part > 255) return undefined;
    value = value * 256 + part;
  }
  return value;
}

/** The one canonical text: decimal parts, or RFC 5952. */
export function formatAddress({ family, value }: Address): string {
  if (family === 6) return new ipaddr.IPv6(bytesOf(value, 16)).toRFC5952String();
  const number = Number(value);
  return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
}

/** An address, or one with prefix length, in its one canonical text; undefined when it is neither. */
export function canonical(text: string): string | undefined {
  const slash = text.indexOf('/');
  const bare = addressOf(text);
  const address = parseAddress(bare);
  if (address === undefined) return undefined;
  // There is one way to write four decimal parts.
  const own = address.family === 4 ? bare : formatAddress(address);
  if (slash < 0) return own;
  const prefix = parsePrefix(text.slice(slash + 1), address.family);
  return prefix === undefined ? undefined : `${own}/${prefix}`;
}

/** `10.0.1.5/24` without its prefix length, `10.0.1.5`; texts without one stay as they are. */
export function addressOf(text: string): string {
  const slash = text.indexOf('/');
  return slash < 0 ? text : text.slice(0, slash);
}

/** The family of a canonical text, with prefix length or without. */
export function familyOf(text: string): Family {
  return text.includes(':') ? 6 : 4;
}

export function parsePrefix(text: string, family: Family): number | undefined {
  if (!/^(0|[1-9]\d{0,2})$/.test(text)) return undefined;
  const prefix = Number(text);
  return prefix <= familyBits[family] ? prefix : undefined;
}

export function bytesOf(value: bigint, length: number): number[] {
  const bytes = new Array<number>(length);
  for (let at = 0; at < length; at += 1)
    bytes[length - 1 - at] = Number((value >> BigInt(8 * at)) & 255n);
  return bytes;
}

function numberOf(bytes: readonly number[]): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}
