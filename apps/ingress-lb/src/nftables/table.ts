import {
  type Balancing,
  type Front,
  familyOfFront,
  openOnly,
  sameFrame,
  sameServer,
  type VirtualServer,
} from '../desired/balancing.ts';

/** The one table in a network's namespace, of either backend. */
export const tableName = 'inet shoal';
/** Of `jhash`, so that all hosts give a client the same task. */
const hashSeed = 0x5348;

/** The whole table, in place of whatever was there, in one transaction. */
export function renderWhole(balancing: Balancing): string {
  const wanted = openOnly(balancing);
  const servers = [...wanted.servers.values()];
  return [
    `table ${tableName}`,
    `delete table ${tableName}`,
    `table ${tableName} {`,
    ' map vips4 { type ipv4_addr : verdict; }',
    ' map vips6 { type ipv6_addr : verdict; }',
    ' map ports4 { type inet_proto . inet_service : verdict; }',
    ' map ports6 { type inet_proto . inet_service : verdict; }',
    ' set masqueraded4 { type ipv4_addr; }',
    ' set masqueraded6 { type ipv6_addr; }',
    ' chain prerouting {',
    '  type nat hook prerouting priority dstnat; policy accept;',
    ...legRules(wanted),
    '  meta l4proto { tcp, udp, sctp } ip daddr vmap @vips4',
    '  meta l4proto { tcp, udp, sctp } ip6 daddr vmap @vips6',
    ' }',
    ' chain postrouting {',
    '  type nat hook postrouting priority srcnat; policy accept;',
    ...sourceRules(wanted),
    ' }',
    '}',
    ...servers.flatMap(addServer),
    ...[...wanted.masqueraded].map((address) => memberLine('add', address)),
    '',
  ].join('\n');
}

/** What makes the one of the other, and touches nothing else; empty when they are the same. */
export function renderChange(have: Balancing, want: Balancing): string {
  if (!sameFrame(have, want)) return renderWhole(want);
  const before = openOnly(have);
  const after = openOnly(want);
  const lines: string[] = [];
  for (const [key, server] of before.servers) {
    if (!after.servers.has(key)) lines.push(...removeServer(server));
  }
  for (const [key, server] of after.servers) {
    const present = before.servers.get(key);
    if (present === undefined) lines.push(...addServer(server));
    else if (!sameServer(present, server)) {
      lines.push(`flush chain ${chainPath(server.front)}`, ruleLine(server));
    }
  }
  for (const address of before.masqueraded) {
    if (!after.masqueraded.has(address)) lines.push(memberLine('delete', address));
  }
  for (const address of after.masqueraded) {
    if (!before.masqueraded.has(address)) lines.push(memberLine('add', address));
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function legRules({ leg }: Balancing): readonly string[] {
  if (leg === undefined) return [];
  return [4, 6].map(
    (family) =>
      `  iifname "${leg.device}" meta nfproto ipv${family} meta l4proto . th dport vmap @ports${family}`,
  );
}

/** Replies must come back here: backends see the balancer, except for clients of published ports. */
function sourceRules({ source, leg }: Balancing): readonly string[] {
  const rules: string[] = [];
  const families = [
    ['ip', 'ipv4', source.v4, 'masqueraded4'],
    ['ip6', 'ipv6', source.v6, 'masqueraded6'],
  ] as const;
  if (leg !== undefined) {
    for (const [protocol, , address, set] of families) {
      if (address === undefined) continue;
      const from = `  iifname "${leg.device}"`;
      const snat = `snat ${protocol} to ${address}`;
      rules.push(`${from} ${protocol} daddr @${set} ${snat}`);
      if (protocol === 'ip6') rules.push(udp6Rule(from, snat));
    }
    rules.push(`  iifname "${leg.device}" accept`);
  }
  for (const [protocol, name, address] of families) {
    if (address === undefined) continue;
    rules.push(`  ct status dnat meta nfproto ${name} snat ${protocol} to ${address}`);
  }
  return rules;
}

/**
 * Sandboxes have no IPv6 route to clients of UDP, whose servers ask for one before any rule can lead their
 * answers: they see the balancer, which is on their network.
 */
export function udp6Rule(match: string, snat: string): string {
  return `${match} meta nfproto ipv6 meta l4proto udp ${snat}`;
}

function addServer(server: VirtualServer): readonly string[] {
  return [
    `add chain ${chainPath(server.front)}`,
    ruleLine(server),
    `add element ${tableName} ${elementOf(server.front)} : goto ${chainName(server.front)} }`,
  ];
}

function removeServer({ front }: VirtualServer): readonly string[] {
  return [
    `delete element ${tableName} ${elementOf(front)} }`,
    `flush chain ${chainPath(front)}`,
    `delete chain ${chainPath(front)}`,
  ];
}

function ruleLine({ front, label, schedule, backends }: VirtualServer): string {
  const protocol = familyOfFront(front) === 4 ? 'ip' : 'ip6';
  const count = backends.length;
  const pick =
    schedule === 'sh'
      ? `jhash ${protocol} saddr mod ${count} seed ${hashSeed}`
      : `numgen inc mod ${count}`;
  const places = backends.map(
    ({ address, port }, at) => `${at} : ${address}${port === 0 ? '' : ` . ${port}`}`,
  );
  const match = front.kind === 'port' ? `meta l4proto ${front.protocol} ` : '';
  const dnat = `dnat ${protocol} to ${pick} map { ${places.join(', ')} }`;
  return `add rule ${chainPath(front)} ${match}${dnat} comment "${commentOf(label)}"`;
}

/** Longest comment that the kernel keeps, characters. */
const commentCharsMax = 100;

function commentOf(label: string): string {
  return label.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, commentCharsMax);
}

function elementOf(front: Front): string {
  const family = familyOfFront(front);
  if (front.kind === 'address') return `vips${family} { ${front.address}`;
  return `ports${family} { ${front.protocol} . ${front.port}`;
}

function memberLine(verb: 'add' | 'delete', address: string): string {
  const set = address.includes(':') ? 'masqueraded6' : 'masqueraded4';
  return `${verb} element ${tableName} ${set} { ${address} }`;
}

/** Names say what they stand for, so that a table read back can be understood. */
function chainName(front: Front): string {
  if (front.kind === 'address') return `vip_${front.address.replaceAll(':', '_')}`;
  return `port${front.family}_${front.protocol}_${front.port}`;
}

function chainPath(front: Front): string {
  return `${tableName} ${chainName(front)}`;
}

/** Whether the kernel has been told all: nftables knows no least connections. */
export function unsupported({ servers }: Balancing): readonly string[] {
  const labels = new Set<string>();
  for (const { schedule, label } of servers.values()) if (schedule === 'lc') labels.add(label);
  return [...labels].map(
    (label) =>
      `service ${label} asks for least connections, which nftables cannot: its tasks take turns`,
  );
}
