import { canonical, parseAddress } from '@shoal/state';

/** An address as text without prefix length and in its one canonical form; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  return parseAddress(text) === undefined ? undefined : canonical(text);
}

/** Network order: four bytes or sixteen; empty when the text is no address. */
export function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) return new Uint8Array();
  const bytes = new Uint8Array(address.family === 4 ? 4 : 16);
  let rest = address.value;
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
