import { isIP } from 'node:net';
import { ApiError } from '@shoal/docker-api';
import { formatHostPort, type HostPort, parseHostPort } from '@shoal/runtime';
import { canonical } from '@shoal/state';

/** The addresses of one network interface, in the system's order. */
export interface HostInterface {
  readonly name: string;
  readonly addresses: readonly { readonly address: string; readonly internal: boolean }[];
}

export interface HostNetwork {
  readonly interfaces: readonly HostInterface[];
  /** The interface of the default route, when there is one. */
  readonly defaultInterface: string | undefined;
}

/** What the CLI sends as listen address when the user gave none. */
export const defaultListen = '0.0.0.0:2377';
const defaultPort = 2_377;

/** Interfaces that container networks made; their addresses mean nothing to other hosts. */
const containerInterface = /^(?:docker|br-|veth|lxc|cni|virbr|podman)/;

/**
 * Where to listen: an address, or the name of an interface, with or without port.
 * @throws ApiError in Docker's words.
 */
export function resolveListen(text: string, network: HostNetwork): HostPort {
  const { host, port } = splitPort(text, defaultPort);
  const address = isIP(host) === 0 ? addressOf(host, network) : host;
  if (address === undefined)
    throw new ApiError(
      400,
      'listen address must be an IP address or network interface (with optional port number)',
    );
  return { host: address, port };
}

/** The cluster port as other hosts are told it, and the addresses that would have been possible too. */
export interface Advertised {
  readonly address: string;
  /** What the user named, else where it listens. */
  readonly port: number;
  /** Other addresses of this host; empty when the user named one. */
  readonly others: readonly string[];
}

/**
 * How other hosts reach this one: as the user says, else where it listens, else the first address on
 * the interface of the default route.
 * @throws ApiError in Docker's words, also when there is a choice that only the user can make.
 */
export function resolveAdvertise(text: string, listen: HostPort, network: HostNetwork): Advertised {
  if (text !== '') {
    const { host, port } = splitPort(text, listen.port);
    const address = isIP(host) === 0 ? addressOf(host, network) : host;
    if (address === undefined || isUnspecified(address) || port === 0)
      throw new ApiError(
        400,
        'advertise address must be a non-zero IP address or network interface (with optional port number)',
      );
    return { address, port, others: [] };
  }
  const { host, port } = listen;
  return isUnspecified(host)
    ? { ...systemAddress(network), port }
    : { address: host, port, others: [] };
}

/**
 * Where the tunnels of this host end, canonical: as asked for, else at the address that the user advertises.
 * Not at one that the host has not, as behind address translation: no packet could leave from there.
 * Undefined: where the host is seen.
 * @throws ApiError when the text is neither an address nor an interface
 */
export function resolveDataPath(
  text: string,
  advertised: string | undefined,
  network: HostNetwork,
): string | undefined {
  if (text === '') {
    const named = advertised === undefined ? undefined : canonical(advertised);
    return named !== undefined && isOwn(named, network) ? named : undefined;
  }
  const address = isIP(text) === 0 ? addressOf(text, network) : text;
  if (address === undefined || isUnspecified(address))
    throw new ApiError(
      400,
      'data path address must be a non-zero IP address or network interface (without a port number)',
    );
  return canonical(address);
}

function isOwn(address: string, { interfaces }: HostNetwork): boolean {
  return interfaces.some(({ addresses }) =>
    addresses.some((own) => canonical(own.address) === address),
  );
}

export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** How a process on this host reaches what listens there. */
export function reachedLocally({ host, port }: HostPort): string {
  if (host === '0.0.0.0') return formatHostPort({ host: '127.0.0.1', port });
  if (host === '::') return formatHostPort({ host: '::1', port });
  return formatHostPort({ host, port });
}

function splitPort(text: string, port: number): HostPort {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIP(bare) !== 0) return { host: bare, port };
  return parseHostPort(text) ?? { host: text, port };
}

/** The address of an interface: its only one of IPv4, else its only one of IPv6. */
function addressOf(name: string, { interfaces }: HostNetwork): string | undefined {
  const found = interfaces.find((one) => one.name === name);
  if (found === undefined) return undefined;
  const addresses = found.addresses.map(({ address }) => address);
  const v4 = addresses.filter((address) => isIP(address) === 4);
  const usable = v4.length > 0 ? v4 : addresses.filter((address) => !isLinkLocal(address));
  if (usable.length > 1)
    throw new ApiError(
      400,
      `interface ${name} has more than one IP${v4.length > 0 ? 'v4' : 'v6'} address (${usable[0]} and ${usable[1]})`,
    );
  return usable[0];
}

function isLinkLocal(address: string): boolean {
  return address.toLowerCase().startsWith('fe80');
}

interface Candidate {
  readonly address: string;
  readonly name: string;
}

function systemAddress(network: HostNetwork): Omit<Advertised, 'port'> {
  const candidates = network.interfaces
    .filter(({ name }) => name === network.defaultInterface || !containerInterface.test(name))
    .flatMap(outside);
  const routed = candidates.find(({ name }) => name === network.defaultInterface);
  const [first, second] = candidates;
  const chosen = routed ?? first;
  if (chosen === undefined) throw new ApiError(400, "could not find the system's IP address");
  if (routed !== undefined || second === undefined || first === undefined) {
    const others = candidates.filter((one) => one !== chosen);
    return { address: chosen.address, others: others.map(({ address }) => address) };
  }
  const where =
    first.name === second.name
      ? `interface ${first.name} (${first.address} and ${second.address})`
      : `different interfaces (${first.address} on ${first.name} and ${second.address} on ${second.name})`;
  throw new ApiError(
    400,
    `could not choose an IP address to advertise since this system has multiple addresses on ${where}`,
  );
}

/** What other hosts could reach of an interface: its addresses of IPv4, else those of IPv6. */
function outside({ name, addresses }: HostInterface): readonly Candidate[] {
  const usable = addresses.filter(({ address, internal }) => !internal && !isLinkLocal(address));
  const v4 = usable.filter(({ address }) => isIP(address) === 4);
  return (v4.length > 0 ? v4 : usable).map(({ address }) => ({ address, name }));
}
