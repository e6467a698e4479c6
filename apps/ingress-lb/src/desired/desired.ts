import type { HostTable } from '@shoal/overlay';
import {
  addressOf,
  type EndpointRecord,
  type Family,
  familyOf,
  type RecordService,
} from '@shoal/state';
import {
  type Backend,
  type Balancing,
  type FamilyAddresses,
  type Front,
  frontKey,
  hasKnownProtocol,
  type Protocol,
  scheduleOf,
  type VirtualServer,
} from './balancing.ts';

/** What one network's namespace should do, and what stands in the way. */
export interface DesiredNetwork {
  readonly balancing: Balancing;
  /** Virtual addresses on the namespace's bridge, in order. */
  readonly virtualIps: readonly string[];
  /** Published TCP ports whose connections begin with a header that names the client. */
  readonly proxied: ReadonlySet<number>;
  /** Published ports that clients of these subnets alone may come to, by protocol and port. */
  readonly guards: ReadonlyMap<string, Guard>;
  /** One sentence each. */
  readonly problems: readonly string[];
}

/** From where clients may come to a published port. */
export interface Guard {
  readonly protocol: Protocol;
  readonly port: number;
  /** Canonical, in order. */
  readonly from: readonly string[];
}

export interface DesireOptions {
  /** The link from the host into the ingress network. */
  readonly leg: NonNullable<Balancing['leg']>;
  /** Addresses of tasks of this host which replies cannot be led back from. */
  readonly unsteered: ReadonlySet<string>;
  /** Why this host's kernel cannot balance SCTP; undefined where it can. */
  readonly noSctp?: string | undefined;
}

/** What the records of a network ask of its namespace. Pure: the same table gives the same. */
export function desiredNetwork(table: HostTable, options: DesireOptions): DesiredNetwork {
  const { network } = table;
  const source = byFamily(network.balancerAddresses.map(addressOf));
  const servers = new ServerMap();
  const virtualIps = new Set<string>();
  const masqueraded = new Set<string>();
  const proxied = new Set<number>();
  const guards = new Map<string, Guard>();
  const waiting = new Set<string>();
  const refused = new Set<string>();
  for (const record of table.records.values()) {
    const { service } = record;
    if (service === undefined) continue;
    const fronts = frontsOf(service, network.ingress);
    for (const front of fronts) {
      if (front.kind === 'port' && front.protocol === 'sctp' && options.noSctp !== undefined) {
        refused.add(
          `service ${service.name} is not balanced on port ${front.port}/sctp: ${options.noSctp}`,
        );
        continue;
      }
      const family = front.kind === 'port' ? front.family : familyOf(front.address);
      const address = ofFamilyIn(record.addresses, family);
      if (address === undefined) continue;
      if ((family === 4 ? source.v4 : source.v6) === undefined) {
        waiting.add(service.name);
        continue;
      }
      if (front.kind === 'address') virtualIps.add(front.address);
      servers.add(front, service, { address, port: targetOf(front), open: record.serving });
      if (front.kind !== 'port') continue;
      if (service.allowed !== undefined) guard(guards, front, service.allowed);
      if (isMasqueraded(record, service, options)) masqueraded.add(address);
      if (front.protocol === 'tcp' && isProxied(service)) proxied.add(front.port);
    }
  }
  return {
    balancing: {
      servers: servers.ordered(),
      source,
      masqueraded,
      leg: network.ingress ? options.leg : undefined,
    },
    virtualIps: [...virtualIps].sort(),
    proxied,
    guards,
    problems: [
      ...[...waiting]
        .sort()
        .map((name) => `service ${name} waits for a balancer address in network ${network.name}`),
      ...[...refused].sort(),
    ],
  };
}

/** Records differ while a label changes: who says where clients may come from counts, and of several all together. */
function guard(
  guards: Map<string, Guard>,
  { protocol, port }: { readonly protocol: Protocol; readonly port: number },
  allowed: readonly string[],
): void {
  const key = `${port}/${protocol}`;
  const from = [...new Set([...(guards.get(key)?.from ?? []), ...allowed])].sort();
  guards.set(key, { protocol, port, from });
}

type PortedFront = Front & { readonly target?: number };

function frontsOf(service: RecordService, ingress: boolean): readonly PortedFront[] {
  const fronts: PortedFront[] = [];
  if (service.mode === 'vip') {
    for (const address of service.virtualIps) fronts.push({ kind: 'address', address });
  }
  if (!ingress) return fronts;
  for (const { protocol, publishedPort, targetPort } of service.ports.filter(hasKnownProtocol)) {
    if (publishedPort === 0) continue;
    for (const family of [4, 6] as const) {
      fronts.push({ kind: 'port', family, protocol, port: publishedPort, target: targetPort });
    }
  }
  return fronts;
}

function targetOf(front: PortedFront): number {
  return front.target ?? 0;
}

function isProxied({ sourceAddress }: RecordService): boolean {
  return sourceAddress === 'proxy-protocol';
}

function isMasqueraded(
  record: EndpointRecord,
  service: RecordService,
  { unsteered }: DesireOptions,
): boolean {
  if (service.sourceAddress === 'masquerade' || isProxied(service)) return true;
  return record.addresses.some((address) => unsteered.has(address));
}

/** Collects the backends of each front, ordered in the end: who came first makes no difference. */
class ServerMap {
  readonly #servers = new Map<string, { server: VirtualServer; backends: Map<string, Backend> }>();

  add(front: PortedFront, service: RecordService, backend: Backend): void {
    const key = frontKey(front);
    const schedule = scheduleOf(service.balance);
    let entry = this.#servers.get(key);
    if (entry === undefined) {
      const server = { front: bare(front), label: service.name, schedule, backends: [] };
      entry = { server, backends: new Map() };
      this.#servers.set(key, entry);
    }
    // Records differ while a service is updated; every host must choose alike.
    if (schedule > entry.server.schedule) entry.server = { ...entry.server, schedule };
    const place = `${backend.address} ${backend.port}`;
    if (entry.backends.get(place)?.open !== true) entry.backends.set(place, backend);
  }

  ordered(): ReadonlyMap<string, VirtualServer> {
    const byKey = [...this.#servers].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(
      byKey.map(([key, { server, backends }]) => {
        const byPlace = [...backends].sort(([a], [b]) => (a < b ? -1 : 1));
        return [key, { ...server, backends: byPlace.map(([, backend]) => backend) }];
      }),
    );
  }
}

function bare(front: PortedFront): Front {
  if (front.kind === 'address') return { kind: 'address', address: front.address };
  const { family, protocol, port } = front;
  return { kind: 'port', family, protocol, port };
}

export function byFamily(addresses: readonly string[]): FamilyAddresses {
  return { v4: ofFamilyIn(addresses, 4), v6: ofFamilyIn(addresses, 6) };
}

function ofFamilyIn(addresses: readonly string[], family: Family): string | undefined {
  return addresses.find((address) => familyOf(address) === family);
}
