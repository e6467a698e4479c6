import { access, readFile, readlink } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { isAbsolute, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { formatHostPort } from '@shoal/runtime';
import { parseAddress } from '@shoal/state';
import type { HostDefaults } from '../executor/container-networks.ts';

const dnsPort = 53;
/** As many as the C library and the engine take. */
const nameserversMax = 3;
/** The second is where systemd-resolved keeps the servers that it asks itself. */
const resolvConfPaths = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const;
/**
 * Where the host's files are: in a container `/etc/resolv.conf` is a copy that the engine made once. On the host
 * itself both are the same, and the second is for those who may not look at other processes.
 */
const hostRoots = ['/proc/1/root', '/'] as const;
/** More links on the way to a file than anybody makes, other than in a circle. */
const linksMax = 40;
/** Where systemd-resolved answers: it stands for the servers of its own file. */
const resolvedStub = '127.0.0.53';

/** How the host resolves names. */
export interface ResolvConf extends HostDefaults {
  /**
   * Loopback addresses and those of a link (`fe80::1%eth0`) among them: `dns` asks from the host's namespace, in which it listens nowhere and so
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
    if (word === 'nameserver' && isNameserver(first)) nameservers.push(first);
    if (word === 'options') options.push(...rest);
    // The last line counts; a dot alone says that there is none.
    if (word === 'search' || word === 'domain') search = rest.filter((domain) => domain !== '.');
  }
  return { nameservers: nameservers.slice(0, nameserversMax), search, options };
}

/** Routers announce themselves by their address of the link: a zone says which link that is. */
function isNameserver(text: string): boolean {
  return parseAddress(text) !== undefined || (text.includes('%') && isIPv6(text));
}

/**
 * Where `path` leads in the tree under `root`: links that name a whole path would lead out of it.
 * Undefined where they go in a circle.
 */
async function pathUnder(root: string, path: string): Promise<string | undefined> {
  const left = path.split('/').filter(Boolean);
  let at = '/';
  for (let links = 0; links <= linksMax; ) {
    const name = left.shift();
    if (name === undefined) return join(root, at);
    const next = resolve(at, name);
    const link = await readlink(join(root, next)).catch(() => undefined);
    if (link === undefined) {
      at = next;
      continue;
    }
    links += 1;
    if (isAbsolute(link)) at = '/';
    left.unshift(...link.split('/').filter(Boolean));
  }
  return undefined;
}

async function readUnder(root: string, path: string): Promise<string> {
  const found = await pathUnder(root, path);
  return found === undefined ? '' : readFile(found, 'utf8').catch(() => '');
}

/** The host's resolver configuration as it was when it was last looked at: DHCP and VPNs change it. */
export class HostResolver {
  readonly #roots: readonly string[];
  #now = nothing;

  /** @param roots of which the first counts that can be entered. */
  constructor(roots: readonly string[] = hostRoots) {
    this.#roots = roots;
  }

  get now(): ResolvConf {
    return this.#now;
  }

  /** Whether it is another one than before. */
  async look(): Promise<boolean> {
    const root = await this.#root();
    const files = resolvConfPaths.map((path) => readUnder(root, path));
    const found = readResolvConf(await Promise.all(files));
    // Just being written: the last word stays.
    if (found.nameservers.length === 0 && this.#now.nameservers.length > 0) return false;
    if (isDeepStrictEqual(found, this.#now)) return false;
    this.#now = found;
    return true;
  }

  async #root(): Promise<string> {
    for (const root of this.#roots) {
      const entered = access(join(root, 'etc')).then(
        () => true,
        () => false,
      );
      if (await entered) return root;
    }
    return '/';
  }
}

/** Its loopback, and its links: in the namespace of a container they are others. */
function isOfHostAlone(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.includes('%');
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
  const others = given.length > 0 ? given : host.filter((address) => !isOfHostAlone(address));
  return [gateway, ...others].slice(0, nameserversMax);
}
