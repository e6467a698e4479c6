import { familyBits, familyOf } from '@shoal/state';
import { z } from 'zod';
import type { FamilyAddresses } from '../desired/balancing.ts';
import { type Listing, protocolElement, readListing } from '../nftables/read.ts';
import { hostAddresses, type LegPlan } from './leg.ts';
import type { PublishedPort } from './ports.ts';

/** Our table in the host's own namespace. */
export const hostTable = 'inet shoal_ingress';

/** Published ports by family: only of those that the ingress network has. */
export interface HostPorts {
  readonly v4: readonly PublishedPort[];
  readonly v6: readonly PublishedPort[];
  /** Of either family, and of those that a listener passes on. */
  readonly guards: readonly HostGuard[];
}

/** A port that clients of these subnets alone may come to. */
export interface HostGuard extends PublishedPort {
  readonly from: readonly string[];
}

export const noPorts: HostPorts = { v4: [], v6: [], guards: [] };

/** Sends what comes for a published port on any address of the host into the ingress network. */
export function renderHostTable(ports: HostPorts, plan: LegPlan): string {
  const inside = hostAddresses(plan.inside);
  const { hostDevice } = plan;
  return [
    `table ${hostTable}`,
    `delete table ${hostTable}`,
    `table ${hostTable} {`,
    ` set ports4 { type inet_proto . inet_service; ${elements(ports.v4)} }`,
    ` set ports6 { type inet_proto . inet_service; ${elements(ports.v6)} }`,
    ` set guarded { type inet_proto . inet_service; ${elements(ports.guards)} }`,
    ` set allowed4 { type inet_proto . inet_service . ipv4_addr; flags interval; ${allowed(ports, 4)} }`,
    ` set allowed6 { type inet_proto . inet_service . ipv6_addr; flags interval; ${allowed(ports, 6)} }`,
    // Before the engine's own rules, which are at dstnat and -100.
    ' chain prerouting {',
    '  type nat hook prerouting priority dstnat - 1; policy accept;',
    `  iifname "${hostDevice}" accept`,
    // New clients alone come by here: those that are connected stay. The host itself may always.
    ...[4, 6].map(guardRule),
    ...redirects(inside),
    ' }',
    ' chain output {',
    '  type nat hook output priority -101; policy accept;',
    // The kernel lets nothing of this address leave the loopback: the listener passes it on.
    '  ip6 daddr ::1 accept',
    ...redirects(inside),
    ' }',
    ' chain postrouting {',
    '  type nat hook postrouting priority srcnat; policy accept;',
    `  oifname "${hostDevice}" ip saddr 127.0.0.0/8 masquerade`,
    ' }',
    // The link is for published ports and their replies, and no way for anything else.
    ' chain forward {',
    '  type filter hook forward priority filter - 1; policy accept;',
    `  oifname "${hostDevice}" ct status dnat accept`,
    `  oifname "${hostDevice}" drop`,
    `  iifname "${hostDevice}" ct direction original drop`,
    ' }',
    '}',
    '',
  ].join('\n');
}

function elements(ports: readonly PublishedPort[]): string {
  if (ports.length === 0) return '';
  return `elements = { ${ports.map(({ protocol, port }) => `${protocol} . ${port}`).join(', ')} };`;
}

function allowed({ guards }: HostPorts, family: 4 | 6): string {
  const all = guards.flatMap(({ protocol, port, from }) =>
    from
      .filter((subnet) => familyOf(subnet) === family)
      .map((subnet) => `${protocol} . ${port} . ${subnet}`),
  );
  return all.length === 0 ? '' : `elements = { ${all.join(', ')} };`;
}

function guardRule(family: number): string {
  const port = 'meta l4proto . th dport';
  const source = family === 4 ? 'ip saddr' : 'ip6 saddr';
  return `  meta nfproto ipv${family} fib daddr type local ${port} @guarded ${port} . ${source} != @allowed${family} drop`;
}

function redirects({ v4, v6 }: FamilyAddresses): readonly string[] {
  const match = 'fib daddr type local meta l4proto . th dport';
  return [
    ...(v4 === undefined ? [] : [`  meta nfproto ipv4 ${match} @ports4 dnat ip to ${v4}`]),
    ...(v6 === undefined ? [] : [`  meta nfproto ipv6 ${match} @ports6 dnat ip6 to ${v6}`]),
  ];
}

const protocol = protocolElement.pipe(z.enum(['tcp', 'udp', 'sctp']));
const member = z.object({ concat: z.tuple([protocol, z.number()]) });

/** The ports of a listing of our table; undefined when it is not there or not whole. */
export function readHostPorts(text: string): HostPorts | undefined {
  const listing = readListing(text);
  if (listing === undefined || rulesIn(listing.rules) !== rulesWanted) return undefined;
  const v4 = portsOf(listing.elements.get('ports4'));
  const v6 = portsOf(listing.elements.get('ports6'));
  const guards = guardsOf(listing);
  if (v4 === undefined || v6 === undefined || guards === undefined) return undefined;
  return { v4, v6, guards };
}

/** Rules of a whole table with both families: 5 in, 3 out, 1 after routing, 3 of passage. */
const rulesWanted = 12;

const subnet = z.union([
  z.string().transform((addr) => `${addr}/${familyBits[familyOf(addr)]}`),
  z
    .object({ prefix: z.object({ addr: z.string(), len: z.number() }) })
    .transform(({ prefix: { addr, len } }) => `${addr}/${len}`),
]);
const source = z.object({ concat: z.tuple([protocol, z.number(), subnet]) });

function guardsOf({ elements: listed }: Listing): readonly HostGuard[] | undefined {
  const ports = portsOf(listed.get('guarded'));
  const sources = [...(listed.get('allowed4') ?? []), ...(listed.get('allowed6') ?? [])].map(
    (each) => source.safeParse(each).data?.concat,
  );
  if (ports === undefined || sources.includes(undefined)) return undefined;
  return ports.map(({ protocol, port }) => {
    const of = sources.filter((each) => each?.[0] === protocol && each[1] === port);
    return { protocol, port, from: of.flatMap((each) => each?.[2] ?? []).sort() };
  });
}

function rulesIn(rules: ReadonlyMap<string, readonly unknown[]>): number {
  return [...rules.values()].reduce((count, { length }) => count + length, 0);
}

function portsOf(members: readonly unknown[] | undefined): readonly PublishedPort[] | undefined {
  if (members === undefined) return undefined;
  const ports: PublishedPort[] = [];
  for (const each of members) {
    const read = member.safeParse(each);
    if (!read.success) return undefined;
    const [protocol, port] = read.data.concat;
    ports.push({ protocol, port });
  }
  return ports;
}
