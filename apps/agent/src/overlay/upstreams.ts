import { formatHostPort } from '@shoal/runtime';
import { parseAddress } from '@shoal/state';

const dnsPort = 53;
/** As many as the C library and the engine take. */
const nameserversMax = 3;
/** Where systemd-resolved keeps the servers that it asks itself. */
export const resolvConfPaths = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const;

/**
 * The host's nameservers. Those on a loopback address are of no use in a container: then those of
 * the next file count.
 * @param files contents of {@link resolvConfPaths}, as far as they exist.
 */
export function hostNameservers(files: readonly string[]): readonly string[] {
  for (const file of files) {
    const found = nameservers(file).filter((address) => !isLoopback(address));
    if (found.length > 0) return found.slice(0, nameserversMax);
  }
  return [];
}

function nameservers(file: string): readonly string[] {
  return file
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([word, address = '']) =>
      word === 'nameserver' && parseAddress(address) !== undefined ? [address] : [],
    );
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** `address:port`, as others are told. */
export function upstream(address: string): string {
  return formatHostPort({ host: address, port: dnsPort });
}

/**
 * A container asks the resolver of its first network, and others where that does not answer.
 * @param given the user's own nameservers; they take the place of the host's.
 */
export function containerNameservers(
  gateway: string,
  given: readonly string[],
  host: readonly string[],
): readonly string[] {
  const others = given.length > 0 ? given : host;
  return [gateway, ...others].slice(0, nameserversMax);
}
