import type { Balancing } from '../desired/balancing.ts';
import { tableName, udp6Rule } from '../nftables/table.ts';
import { legMark, markBase, markMask, markOf } from './services.ts';

/** Virtual addresses that somebody answers for; to the others the kernel itself says no. */
export function markedAddresses({ servers }: Balancing): readonly string[] {
  const addresses: string[] = [];
  for (const { front, backends } of servers.values()) {
    if (front.kind === 'address' && backends.some(({ open }) => open))
      addresses.push(front.address);
  }
  return addresses;
}

/** The table that leads traffic to IPVS and sees to it that replies come back, in one transaction. */
export function renderMarks(balancing: Balancing): string {
  const { leg, source, masqueraded } = balancing;
  const marks = markedAddresses(balancing).map(
    (address) =>
      `add element ${tableName} marks${address.includes(':') ? 6 : 4} { ${address} : ${markOf(address)} }`,
  );
  const members = [...masqueraded].map(
    (address) =>
      `add element ${tableName} masqueraded${address.includes(':') ? 6 : 4} { ${address} }`,
  );
  return [
    `table ${tableName}`,
    `delete table ${tableName}`,
    `table ${tableName} {`,
    ' map marks4 { type ipv4_addr : mark; }',
    ' map marks6 { type ipv6_addr : mark; }',
    ' set masqueraded4 { type ipv4_addr; }',
    ' set masqueraded6 { type ipv6_addr; }',
    ' chain prerouting {',
    '  type filter hook prerouting priority mangle; policy accept;',
    ...(leg === undefined ? [] : [`  iifname "${leg.device}" meta mark set ${legMark}`]),
    '  meta l4proto { tcp, udp, sctp } meta mark set ip daddr map @marks4',
    '  meta l4proto { tcp, udp, sctp } meta mark set ip6 daddr map @marks6',
    ' }',
    ' chain postrouting {',
    '  type nat hook postrouting priority srcnat; policy accept;',
    ...(source.v4 === undefined ? [] : sourceRules('ip', 4, source.v4)),
    ...(source.v6 === undefined ? [] : sourceRules('ip6', 6, source.v6)),
    ' }',
    '}',
    ...marks,
    ...members,
    '',
  ].join('\n');
}

function sourceRules(protocol: 'ip' | 'ip6', family: 4 | 6, address: string): readonly string[] {
  const snat = `snat ${protocol} to ${address}`;
  return [
    `  meta mark ${legMark} ${protocol} daddr @masqueraded${family} ${snat}`,
    ...(family === 6 ? [udp6Rule(`  meta mark ${legMark}`, snat)] : []),
    `  meta mark & ${markMask} == ${markBase[family]} ${snat}`,
  ];
}
