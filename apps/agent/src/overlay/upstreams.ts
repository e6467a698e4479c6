import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { formatHostPort } from '@shoal/runtime';
import { parseAddress } from '@shoal/state';
import type { HostDefaults } from '../executor/container-networks.ts';

const dnsPort = 53;
/** As many as the C library and the engine take. */
const nameserversMax = 3;
/** The second is where systemd-resolved keeps the servers that it asks itself. */
const resolvConfPaths = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const;
/** Where systemd-resolved answers: it stands for the servers of its own file. */
const resolvedStub = '127.0.0.53';

/** How the host resolves names. */
export interface ResolvConf extends HostDefaults {
  /**
   * Loopback addresses among them: `dns` asks from the host's namespace, in which it listens nowhere and so
   * never asks itself.
   */
  readonly nameservers: readonly string[];
}

/** @param files contents of {@link resolvConfPaths}, as far as they exist. */
export function readResolvConf(files: readonly string[]): ResolvConf {
  const all = files.map(parse);
  const isReal = ({ nameservers }: ResolvConf): boolean =>
    nameservers.some((address) => address !== resolvedStub);
  return all.find(isReal) ?? all[0] ?? nothing;
}

const nothing: ResolvConf = { nameservers: [], search: [], options: [] };

function parse(file: string): ResolvConf {
  const nameservers: string[] = [];
  const options: string[] = [];
  let search: readonly string[] = [];
  for (const line of file.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/);
    const [first = ''] = rest;
    if (word === 'nameserver' && parseAddress(first) !== undefined) nameservers.push(first);
    if (word === 'options') options.push(...rest);
    // The last line counts; a dot alone says that there is none.
    if (word === 'search' || word === 'domain') search = rest.filter((domain) => domain !== '.');
  }
  return { nameservers: nameservers.slice(0, nameserversMax), search, options };
}

/** The host's resolver configuration as it was when it was last looked at: DHCP and VPNs change it. */
export class HostResolver {
  readonly #paths: readonly string[];
  #now = nothing;

  constructor(paths: readonly string[] = resolvConfPaths) {
    this.#paths = paths;
  }

  get now(): ResolvConf {
    return this.#now;
  }

  /** Whether it is another one than before. */
  async look(): Promise<boolean> {
    const files = this.#paths.map((path) => readFile(path, 'utf8').catch(() => ''));
    const found = readResolvConf(await Promise.all(files));
    // Just being written: the last word stays.
    if (found.nameservers.length === 0 && this.#now.nameservers.length > 0) return false;
    if (isDeepStrictEqual(found, this.#now)) return false;
    this.#now = found;
    return true;
  }
}

/** The host's own: another one in the namespace of a container. */
function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** `address:port`, as others are told. */
export function upstream(address: string): string {
  return formatHostPort({ host: address, port: dnsPort });
}

/**
 * A container asks the resolver of its first network, and others where that does not answer.
 * @param given the user's own nameservers; they take the place of the host's, of which those that only the
 * host itself reaches are left out.
 */
export function containerNameservers(
  gateway: string,
  given: readonly string[],
  host: readonly string[],
): readonly string[] {
  const others = given.length > 0 ? given : host.filter((address) => !isLoopback(address));
  return [gateway, ...others].slice(0, nameserversMax);
}
