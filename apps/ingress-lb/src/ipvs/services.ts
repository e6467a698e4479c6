import { parseAddress } from '@shoal/state';
import {
  type Backend,
  type Balancing,
  type Front,
  frontKey,
  ofFamily,
  type Schedule,
  type VirtualServer,
} from '../desired/balancing.ts';

/** One IPVS service as `ipvsadm --save --numeric` writes it. */
export interface IpvsService {
  /** `-f 1073742082`, `-f 1090519042 -6` or `-t 169.254.254.2:80`. */
  readonly id: string;
  readonly scheduler: string;
  /** Weight by `address:port`. */
  readonly members: ReadonlyMap<string, number>;
}

export type IpvsServices = ReadonlyMap<string, IpvsService>;

/** Marks of virtual addresses: the family in the first byte, the rest of the address in the others. */
const markBase = { 4: 0x40000000, 6: 0x41000000 } as const;
const markBits = 24n;
/** Mark of what came from the host, for published ports. */
export const legMark = 0x42000000;
export const markMask = 0xff000000;
export { markBase };

/**
 * The firewall mark by which IPVS knows a virtual address with all its ports. From the address alone, so
 * that it is the same after a restart; unique as long as a network has less than 2^24 addresses.
 */
export function markOf(address: string): number {
  const parsed = parseAddress(address);
  if (parsed === undefined) return 0;
  return markBase[parsed.family] + Number(BigInt.asUintN(Number(markBits), parsed.value));
}

const protocolFlags = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

/** Undefined for a published port of a family that the link from the host has no address of. */
function serviceId(front: Front, { leg }: Balancing): string | undefined {
  if (front.kind === 'address') {
    const mark = markOf(front.address);
    return front.address.includes(':') ? `-f ${mark} -6` : `-f ${mark}`;
  }
  const address = ofFamily(leg?.addresses ?? {}, front.family);
  if (address === undefined) return undefined;
  return `${protocolFlags[front.protocol]} ${withPort(address, front.port)}`;
}

function withPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What IPVS should have. */
export function wantedServices(balancing: Balancing): IpvsServices {
  const services = new Map<string, IpvsService>();
  for (const { front, schedule, backends } of balancing.servers.values()) {
    const id = serviceId(front, balancing);
    if (id === undefined || backends.length === 0) continue;
    const members = new Map(
      backends.map(({ address, port, open }) => [withPort(address, port), open ? 1 : 0]),
    );
    services.set(id, { id, scheduler: schedule, members });
  }
  return services;
}

/** Reads `ipvsadm --save --numeric`. */
export function parseServices(text: string): IpvsServices {
  const services = new Map<
    string,
    { id: string; scheduler: string; members: Map<string, number> }
  >();
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[0] !== '-A' && words[0] !== '-a') continue;
    const id = idOf(words);
    if (words[0] === '-A') {
      services.set(id, { id, scheduler: after(words, '-s') ?? '', members: new Map() });
    } else {
      services.get(id)?.members.set(after(words, '-r') ?? '', Number(after(words, '-w') ?? '1'));
    }
  }
  return services;
}

function idOf(words: readonly string[]): string {
  const [flag = '', value = ''] = words.slice(1, 3);
  return flag === '-f' && words.includes('-6') ? `-f ${value} -6` : `${flag} ${value}`;
}

function after(words: readonly string[], flag: string): string | undefined {
  const at = words.indexOf(flag);
  return at < 0 ? undefined : words[at + 1];
}

/** Lines for `ipvsadm --restore`; connections that are open stay where they are. */
export interface ServiceChange {
  /** Before traffic is led to new services. */
  readonly first: string;
  /** After it is led away from old ones. */
  readonly last: string;
}

export function renderServiceChange(have: IpvsServices, want: IpvsServices): ServiceChange {
  const first: string[] = [];
  const last: string[] = [];
  for (const [id, service] of want) {
    const present = have.get(id);
    if (present === undefined) first.push(`-A ${id} -s ${service.scheduler}`);
    else if (present.scheduler !== service.scheduler) {
      first.push(`-E ${id} -s ${service.scheduler}`);
    }
    for (const [member, weight] of service.members) {
      const known = present?.members.get(member);
      if (known === weight) continue;
      first.push(`${known === undefined ? '-a' : '-e'} ${id} -r ${member} -m -w ${weight}`);
    }
    for (const member of present?.members.keys() ?? []) {
      if (!service.members.has(member)) last.push(`-d ${id} -r ${member}`);
    }
  }
  for (const id of have.keys()) if (!want.has(id)) last.push(`-D ${id}`);
  const text = (lines: readonly string[]): string =>
    lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  return { first: text(first), last: text(last) };
}

/** What the services do, by the fronts that are wanted; undefined when there is one that is not. */
export function serversOf(
  services: IpvsServices,
  want: Balancing,
): ReadonlyMap<string, VirtualServer> | undefined {
  const fronts = new Map<string, VirtualServer>();
  for (const server of want.servers.values()) {
    const id = serviceId(server.front, want);
    if (id !== undefined) fronts.set(id, server);
  }
  const found = new Map<string, VirtualServer>();
  for (const [id, { scheduler, members }] of services) {
    const server = fronts.get(id);
    if (server === undefined) return undefined;
    const { front, label } = server;
    const backends = [...members]
      .map(([member, weight]) => readMember(member, weight))
      .sort((a, b) => (`${a.address} ${a.port}` < `${b.address} ${b.port}` ? -1 : 1));
    found.set(frontKey(front), { front, label, schedule: scheduler as Schedule, backends });
  }
  return found;
}

function readMember(member: string, weight: number): Backend {
  const colon = member.lastIndexOf(':');
  const address = member.slice(0, colon).replace(/^\[|\]$/g, '');
  return { address, port: Number(member.slice(colon + 1)), open: weight > 0 };
}
