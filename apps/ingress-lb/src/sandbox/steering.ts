import { isDeepStrictEqual } from 'node:util';
import type { HostTable, LocalEndpoint } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import {
  addressOf,
  canonical,
  type EndpointRecord,
  familyOf,
  macOf,
  parseAddress,
} from '@shoal/state';
import { z } from 'zod';
import { type FamilyAddresses, hasKnownProtocol } from '../desired/balancing.ts';
import { byFamily } from '../desired/desired.ts';
import { type Applied, applied } from '../kernel/backend.ts';
import { setSysctls } from '../kernel/sysctls.ts';
import { applyRules } from '../nftables/backend.ts';
import { type Listing, protocolElement, readListing } from '../nftables/read.ts';

/** A host whose published ports lead to a task: replies go back through it. */
export interface Entrance {
  /** Mark of connections that came through it; also the number of its routing table. */
  readonly mark: number;
  /** Source of its frames. */
  readonly mac: string;
  readonly addresses: FamilyAddresses;
}

/** What others of the ingress network reach of a container in it. */
export interface Reach {
  /** Its own addresses there, and of its interface, each canonical. */
  readonly own4: readonly string[];
  readonly own6: readonly string[];
  readonly macs: readonly string[];
  /** `tcp . 80` of each port that it is published with, in order. */
  readonly ports: readonly string[];
}

/** First byte of all marks; the other three are the last of the balancer's address. */
const markBase = 0x53000000;
const markMask = 0xff000000;
const markBits = 24;
/** Place of our routing rules among others, before the main table at 32766. */
const rulePriority = 21_320;
const steeringTable = 'inet shoal';

/** The hosts of the ingress network, ordered by mark, each mark once. */
export function entrancesOf({ network, records }: HostTable): readonly Entrance[] {
  const holders = [network.balancerAddresses.map(addressOf)];
  for (const { kind, addresses } of records.values()) {
    if (kind === 'balancer') holders.push([...addresses]);
  }
  const entrances = new Map<number, Entrance>();
  for (const holder of holders) {
    const addresses = byFamily(holder);
    const first = addresses.v4 ?? addresses.v6;
    const parsed = first === undefined ? undefined : parseAddress(first);
    const mac = first === undefined ? undefined : macOf(first);
    if (parsed === undefined || mac === undefined) continue;
    const mark = markBase + Number(BigInt.asUintN(markBits, parsed.value));
    entrances.set(mark, { mark, mac, addresses });
  }
  return [...entrances.values()].sort((a, b) => a.mark - b.mark);
}

/** The ports are those that its record says: tasks made before an update keep theirs. */
export function reachOf({ service }: EndpointRecord, endpoint: LocalEndpoint): Reach {
  const own = endpoint.addresses.map(addressOf);
  const ports = (service?.ports ?? [])
    .filter((port) => port.publishedPort !== 0 && hasKnownProtocol(port))
    .map(({ protocol, targetPort }) => `${protocol} . ${targetPort}`);
  return {
    own4: own.filter((address) => familyOf(address) === 4),
    own6: own.filter((address) => familyOf(address) === 6),
    macs: endpoint.mac === '' ? [] : [endpoint.mac],
    ports: [...new Set(ports)].sort(),
  };
}

/** How long a UDP client is remembered after its last packet; as long as the kernel's own flows. */
const clientMemory = '3m';
/** UDP clients remembered at once; beyond it answers may come from another address. */
const clientsMax = 65_536;

/**
 * Connections remember the host they came through, by the hardware address of its frames; replies are
 * marked so that the routing rules lead them there. Containers' own default route stays as it is.
 *
 * A UDP server that listens on all addresses answers from the one of its default route. Therefore clients
 * of IPv4 are remembered, and answers to them leave from the own address, before the kernel looks for their flow.
 *
 * All services share the network: what a task does not publish is closed to the others. Questions that it asks
 * itself go out, and pings come in.
 */
export function renderSteering(entrances: readonly Entrance[], reach: Reach): string {
  const marks = entrances.map(({ mac, mark }) => `${mac} : ${mark}`);
  const [own] = reach.own4;
  return [
    `table ${steeringTable}`,
    `delete table ${steeringTable}`,
    `table ${steeringTable} {`,
    ' map entrances {',
    '  type ether_addr : mark;',
    ...elementsLine(marks),
    ' }',
    ' set own4 {',
    '  type ipv4_addr;',
    ...elementsLine(reach.own4),
    ' }',
    ' set own6 {',
    '  type ipv6_addr;',
    ...elementsLine(reach.own6),
    ' }',
    ' set macs {',
    '  type ether_addr;',
    ...elementsLine(reach.macs),
    ' }',
    ' set ports {',
    '  type inet_proto . inet_service;',
    ...elementsLine(reach.ports),
    ' }',
    ' set clients {',
    '  type ipv4_addr . inet_service . inet_service;',
    `  flags dynamic, timeout; timeout ${clientMemory}; size ${clientsMax};`,
    ' }',
    ' chain prerouting {',
    '  type filter hook prerouting priority mangle; policy accept;',
    '  ct state new ct mark set ether saddr map @entrances',
    `  ct direction original ct mark & ${markMask} == ${markBase} meta mark set ct mark`,
    `  ct direction original ct mark & ${markMask} == ${markBase} meta l4proto udp update @clients { ip saddr . udp sport . udp dport }`,
    ' }',
    ' chain answers {',
    '  type filter hook output priority raw; policy accept;',
    ...(own === undefined
      ? []
      : [`  ip daddr . udp dport . udp sport @clients ip saddr set ${own}`]),
    ' }',
    ' chain own {',
    '  iifname "lo" accept',
    '  ct state established,related accept',
    '  meta l4proto . th dport @ports accept',
    '  meta l4proto { tcp, udp, sctp } drop',
    ' }',
    ' chain input {',
    '  type filter hook input priority filter; policy accept;',
    '  ip daddr @own4 goto own',
    '  ip6 daddr @own6 goto own',
    // Every other address of the container, asked for on this network.
    '  ether daddr @macs goto own',
    ' }',
    ' chain output {',
    '  type route hook output priority mangle; policy accept;',
    `  ct direction reply ct mark & ${markMask} == ${markBase} meta mark set ct mark`,
    ' }',
    '}',
    '',
  ].join('\n');
}

function elementsLine(elements: readonly string[]): readonly string[] {
  return elements.length === 0 ? [] : [`  elements = { ${elements.join(', ')} };`];
}

/**
 * Accepted connections take the mark over, and so do the kernel's own refusals, or the first reply finds no
 * route where there is no default one. Clients are reached by another way than the default route: that must
 * not count as forged.
 */
const sandboxSysctls = {
  'net/ipv4/tcp_fwmark_accept': '1',
  'net/ipv4/fwmark_reflect': '1',
  '?net/ipv6/fwmark_reflect': '1',
  'net/ipv4/conf/all/src_valid_mark': '1',
  'net/ipv4/conf/all/rp_filter': '2',
};

/** What is in a sandbox, as far as it is ours. */
interface Present {
  /** Marks by hardware address; undefined when the rules are not there. */
  readonly marks: ReadonlyMap<string, number> | undefined;
  /** Address that answers to UDP clients leave from. */
  readonly own: string | undefined;
  /** See {@link Reach}. */
  readonly reach: Reach | undefined;
  /** `4 <mark>` and `6 <mark>` of routing rules, and `4 <mark> <via>` of default routes. */
  readonly rules: ReadonlySet<string>;
  readonly routes: ReadonlySet<string>;
}

/** Lines for `ip -batch` that add what is missing and take away what is not wanted. */
export function renderRoutes(
  entrances: readonly Entrance[],
  { rules, routes }: Pick<Present, 'rules' | 'routes'>,
): readonly string[] {
  const lines: string[] = [];
  const wanted = new Set<string>();
  for (const { mark, addresses } of entrances) {
    for (const [family, via] of [
      [4, addresses.v4],
      [6, addresses.v6],
    ] as const) {
      if (via === undefined) continue;
      const key = `${family} ${mark}`;
      wanted.add(key);
      if (!routes.has(`${key} ${via}`)) {
        lines.push(`-${family} route replace default via ${via} table ${mark}`);
      }
      if (!rules.has(key)) {
        lines.push(`-${family} rule add fwmark ${mark} lookup ${mark} priority ${rulePriority}`);
      }
    }
  }
  for (const key of rules) {
    if (wanted.has(key)) continue;
    const [family, mark] = key.split(' ');
    lines.push(`-${family} rule del fwmark ${mark} lookup ${mark} priority ${rulePriority}`);
  }
  return lines;
}

/** Puts into a container's namespace what is missing; nothing when all is there. */
export async function steer(
  commands: KernelCommands,
  sandbox: string,
  entrances: readonly Entrance[],
  reach: Reach,
): Promise<{ readonly outcome: Applied; readonly changed: boolean }> {
  const present = await readSandbox(commands, sandbox);
  if (present === undefined) {
    const message = `the namespace ${sandbox} cannot be read`;
    return { outcome: { kind: 'failed', message }, changed: false };
  }
  const routes = renderRoutes(entrances, present);
  const same =
    present.own === reach.own4[0] &&
    sameMarks(present.marks, entrances) &&
    isDeepStrictEqual(present.reach, reach);
  if (routes.length === 0 && same) return { outcome: applied, changed: false };
  // Routes need the interface, which may not be up: what is closed is closed before.
  for (const step of [
    () => setSysctls(commands, sandbox, sandboxSysctls),
    () => (same ? applied : applyRules(commands, sandbox, renderSteering(entrances, reach))),
    () => ipLines(commands, sandbox, routes),
  ]) {
    const outcome = await step();
    if (outcome.kind === 'failed') return { outcome, changed: true };
  }
  return { outcome: applied, changed: true };
}

/** One batch a family: `ip` takes the family as an option of the whole. */
async function ipLines(
  commands: KernelCommands,
  sandbox: string,
  lines: readonly string[],
): Promise<Applied> {
  for (const family of ['-4', '-6']) {
    const own = lines.filter((line) => line.startsWith(family)).map((line) => line.slice(3));
    const args = [family, '-batch', '-'];
    if (own.length === 0) continue;
    const input = `${own.join('\n')}\n`;
    const outcome = await commands.run({ program: 'ip', args, input, namespace: sandbox });
    if (outcome.kind === 'failed') return { kind: 'failed', message: outcome.message };
  }
  return applied;
}

const readScript = `nft -j list table ${steeringTable} 2>/dev/null || echo; \
for family in -4 -6; do ip -j "$family" rule || exit 1; echo; ip -j "$family" route show table all || exit 1; echo; done`;

const ruleList = z.array(
  z.object({ priority: z.number(), fwmark: z.string().optional(), table: z.string().optional() }),
);
const routeList = z.array(
  z.object({
    dst: z.string().optional(),
    gateway: z.string().optional(),
    table: z.string().optional(),
  }),
);

async function readSandbox(
  commands: KernelCommands,
  sandbox: string,
): Promise<Present | undefined> {
  const command = { program: 'sh', args: ['-c', readScript], namespace: sandbox };
  const outcome = await commands.run(command);
  if (outcome.kind === 'failed') return undefined;
  const [table = '', ...lists] = outcome.stdout.split('\n');
  const texts = lists.filter((text) => text.trim() !== '');
  const rules = new Set<string>();
  const routes = new Set<string>();
  for (const [at, family] of [4, 6].entries()) {
    const ruleRows = ruleList.safeParse(parseJson(texts[at * 2]));
    const routeRows = routeList.safeParse(parseJson(texts[at * 2 + 1]));
    for (const { priority, fwmark } of ruleRows.data ?? []) {
      if (priority === rulePriority) rules.add(`${family} ${Number(fwmark)}`);
    }
    for (const { dst, gateway, table: number } of routeRows.data ?? []) {
      if (dst === 'default' && gateway !== undefined) routes.add(`${family} ${number} ${gateway}`);
    }
  }
  return { ...readSteering(table), rules, routes };
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

const element = z.tuple([z.string(), z.number()]);
const port = z.object({ concat: z.tuple([protocolElement, z.number()]) });
const rewrite = z.object({ mangle: z.object({ value: z.string() }) });
/** Rules of a whole table: three on the way in, seven where it ends, one out. */
const rulesWanted = 11;

function readSteering(text: string): Pick<Present, 'marks' | 'own' | 'reach'> {
  const listing = readListing(text);
  const members = listing?.elements.get('entrances');
  const rules = [...(listing?.rules.values() ?? [])].flat();
  const own = rules.flatMap(({ expr }) => expr).map((each) => rewrite.safeParse(each).data);
  const address = own.find((each) => each !== undefined)?.mangle.value;
  const whole = rules.length === rulesWanted + (address === undefined ? 0 : 1);
  if (listing === undefined || members === undefined || !whole)
    return { marks: undefined, own: undefined, reach: undefined };
  const marks = new Map<string, number>();
  for (const member of members) {
    const read = element.safeParse(member);
    if (read.success) marks.set(read.data[0], read.data[1]);
  }
  return { marks, own: address, reach: readReach(listing) };
}

function readReach({ elements }: Listing): Reach {
  const texts = (set: string): string[] =>
    (elements.get(set) ?? []).flatMap((member) =>
      typeof member === 'string' ? (canonical(member) ?? member) : [],
    );
  const ports = (elements.get('ports') ?? []).flatMap((member) => {
    const { data } = port.safeParse(member);
    return data === undefined ? [] : data.concat.join(' . ');
  });
  const own4 = texts('own4');
  const own6 = texts('own6');
  const macs = texts('macs');
  return { own4, own6, macs, ports: ports.sort() };
}

function sameMarks(
  marks: ReadonlyMap<string, number> | undefined,
  entrances: readonly Entrance[],
): boolean {
  return (
    marks?.size === entrances.length && entrances.every(({ mac, mark }) => marks.get(mac) === mark)
  );
}
