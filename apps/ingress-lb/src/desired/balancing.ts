import type { Family } from '@shoal/state';

export type Protocol = 'tcp' | 'udp' | 'sctp';
/** As IPVS calls them: in turn, fewest connections, by client address. */
export type Schedule = 'rr' | 'lc' | 'sh';

const protocols: ReadonlySet<string> = new Set<Protocol>(['tcp', 'udp', 'sctp']);

/** A newer manager may publish by another one, of which this kernel is told nothing. */
export function hasKnownProtocol({ protocol }: { readonly protocol: string }): boolean {
  return protocols.has(protocol);
}

/** In turn also where a newer manager names a way that is not known here. */
export function scheduleOf(balance: string | undefined): Schedule {
  return balance === 'lc' || balance === 'sh' ? balance : 'rr';
}

/** What clients connect to. */
export type Front =
  /** A virtual address inside a network, with all its ports. */
  | { readonly kind: 'address'; readonly address: string }
  /** A published port of this host. */
  | {
      readonly kind: 'port';
      readonly family: Family;
      readonly protocol: Protocol;
      readonly port: number;
    };

export interface Backend {
  readonly address: string;
  /** 0: the port that the client asked for. */
  readonly port: number;
  /** False: open connections go on, new ones go elsewhere. */
  readonly open: boolean;
}

export interface VirtualServer {
  readonly front: Front;
  /** Name of the service, for people. */
  readonly label: string;
  readonly schedule: Schedule;
  /** Ordered by address and port, each once. */
  readonly backends: readonly Backend[];
}

/** Addresses of either family, canonical, without prefix length. */
export interface FamilyAddresses {
  readonly v4?: string | undefined;
  readonly v6?: string | undefined;
}

/** Everything that is balanced in one network's namespace. */
export interface Balancing {
  /** By {@link frontKey}. */
  readonly servers: ReadonlyMap<string, VirtualServer>;
  /** What backends see as their client, so that replies come back here: this host's balancer. */
  readonly source: FamilyAddresses;
  /** Backends of published ports that cannot be shown the client's address. */
  readonly masqueraded: ReadonlySet<string>;
  /** The namespace's end of the link to the host; only in the ingress network. */
  readonly leg?: { readonly device: string; readonly addresses: FamilyAddresses } | undefined;
}

export const emptyBalancing: Balancing = {
  servers: new Map(),
  source: {},
  masqueraded: new Set(),
};

export function frontKey(front: Front): string {
  if (front.kind === 'address') return front.address;
  return `${front.family}/${front.protocol}/${front.port}`;
}

/** Which of the two addresses is of the family. */
export function ofFamily(addresses: FamilyAddresses, family: Family): string | undefined {
  return family === 4 ? addresses.v4 : addresses.v6;
}

export function familyOfFront(front: Front): Family {
  if (front.kind === 'port') return front.family;
  return front.address.includes(':') ? 6 : 4;
}

/** Without whatever gets no new connections, and without servers that have nobody left. */
export function openOnly(balancing: Balancing): Balancing {
  const servers = new Map<string, VirtualServer>();
  for (const [key, server] of balancing.servers) {
    const backends = server.backends.filter(({ open }) => open);
    if (backends.length > 0) servers.set(key, { ...server, backends });
  }
  return { ...balancing, servers };
}

export function sameServer(a: VirtualServer, b: VirtualServer): boolean {
  return (
    a.schedule === b.schedule &&
    a.backends.length === b.backends.length &&
    a.backends.every((backend, at) => sameBackend(backend, b.backends[at]))
  );
}

function sameBackend(a: Backend, b: Backend | undefined): boolean {
  return a.address === b?.address && a.port === b.port && a.open === b.open;
}

/** Whether what surrounds the servers is the same: without it only servers and members differ. */
export function sameFrame(a: Balancing, b: Balancing): boolean {
  return (
    sameAddresses(a.source, b.source) &&
    a.leg?.device === b.leg?.device &&
    sameAddresses(a.leg?.addresses ?? {}, b.leg?.addresses ?? {})
  );
}

function sameAddresses(a: FamilyAddresses, b: FamilyAddresses): boolean {
  return a.v4 === b.v4 && a.v6 === b.v6;
}

export function sameBalancing(a: Balancing, b: Balancing): boolean {
  return (
    sameFrame(a, b) &&
    a.servers.size === b.servers.size &&
    a.masqueraded.size === b.masqueraded.size &&
    [...a.masqueraded].every((address) => b.masqueraded.has(address)) &&
    [...a.servers].every(([key, server]) => {
      const other = b.servers.get(key);
      return other !== undefined && sameServer(server, other);
    })
  );
}

/** Addresses of all backends, draining ones as well. */
export function backendAddresses(balancing: Balancing): Set<string> {
  const addresses = new Set<string>();
  for (const { backends } of balancing.servers.values()) {
    for (const { address } of backends) addresses.add(address);
  }
  return addresses;
}
