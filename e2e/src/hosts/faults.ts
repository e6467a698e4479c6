/** What of a machine's traffic is dropped. */
export interface Cut {
  /** Addresses of the other side; everybody when absent. */
  readonly peers?: readonly string[] | undefined;
  /** `in`: what comes to the machine; `out`: what it sends. */
  readonly direction: 'both' | 'in' | 'out';
  /** A TCP or UDP port at either end; all traffic when absent. */
  readonly port?: number | undefined;
}

const table = 'inet shoal_cut';
/** Before and after everything else that touches packets, what containers inside send included. */
const chains = [
  `add table ${table}`,
  `add chain ${table} coming { type filter hook prerouting priority -400 ; }`,
  `add chain ${table} going { type filter hook postrouting priority 400 ; }`,
];

/** The nftables script that adds a cut; what was cut before stays cut. */
export function cutScript(cut: Cut, device: string): string {
  const rules: string[] = [];
  for (const port of portMatches(cut.port)) {
    if (cut.direction !== 'out') {
      rules.push(`add rule ${table} coming iifname ${device} ${peers('saddr', cut)}${port}drop`);
    }
    if (cut.direction !== 'in') {
      rules.push(`add rule ${table} going oifname ${device} ${peers('daddr', cut)}${port}drop`);
    }
  }
  return [...chains, ...rules].join('\n');
}

/** Takes all cuts away; does nothing where there are none. */
export const healScript = `add table ${table}\ndelete table ${table}`;

function peers(field: string, cut: Cut): string {
  return cut.peers === undefined ? '' : `ip ${field} { ${cut.peers.join(', ')} } `;
}

function portMatches(port: number | undefined): readonly string[] {
  if (port === undefined) return [''];
  return ['sport', 'dport'].map((end) => `meta l4proto { tcp, udp } th ${end} ${port} `);
}
