import type { KernelCommands } from './commands.ts';

/** Whether the kernel and its tools can do one thing. */
export type Capability =
  | { readonly kind: 'yes'; readonly detail: string }
  | { readonly kind: 'no'; readonly reason: string };

export interface NetworkCapabilities {
  readonly namespaces: Capability;
  readonly vxlan: Capability;
  readonly nftables: Capability;
  readonly ipvs: Capability;
  /** The tool that ends flows of stopped tasks. */
  readonly conntrack: Capability;
  readonly wireguard: Capability;
  readonly sctp: Capability;
}

/** Any VNI does: the device never leaves its namespace. */
const probeVni = 16_777_215;

const nftProbe = `table inet shoal_probe {
  map servers { type ipv4_addr : verdict; }
  chain one { dnat ip to numgen inc mod 2 map { 0 : 192.0.2.1, 1 : 192.0.2.2 }; }
  chain prerouting { type nat hook prerouting priority dstnat; ip daddr vmap @servers; }
  chain postrouting { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
}
`;
const sctpProbe = `table inet shoal_sctp {
  chain prerouting { type nat hook prerouting priority dstnat; meta l4proto sctp dnat ip to 192.0.2.1:80; }
}
`;

/** Is there where the kernel follows connections of SCTP. */
const sctpTimeout = '/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established';

/**
 * Finds out by trying, in a network namespace made for it and taken away again. Needs root.
 * @param scratch name of that namespace; must be nobody else's.
 */
export async function probeNetworkCapabilities(
  commands: KernelCommands,
  scratch: string,
): Promise<NetworkCapabilities> {
  const made = await commands.run({ program: 'ip', args: ['netns', 'add', scratch] });
  if (made.kind === 'failed') {
    const no = { kind: 'no', reason: made.message } as const;
    return {
      namespaces: no,
      vxlan: no,
      nftables: no,
      ipvs: no,
      conntrack: no,
      wireguard: no,
      sctp: no,
    };
  }
  const namespace = `/run/netns/${scratch}`;
  const attempt = async (
    detail: string,
    program: string,
    args: readonly string[],
    input?: string,
  ): Promise<Capability> => {
    const outcome = await commands.run({ program, args, input, namespace });
    if (outcome.kind === 'done')
      return { kind: 'yes', detail: detail || firstLine(outcome.stdout) };
    return { kind: 'no', reason: outcome.message };
  };
  const addLink = (type: readonly string[]) => ['link', 'add', 'probe0', 'type', ...type];
  try {
    return {
      namespaces: { kind: 'yes', detail: 'made and entered' },
      vxlan: await attempt('a device was made', 'ip', [
        ...addLink(['vxlan', 'id', String(probeVni), 'dstport', '4789', 'nolearning', 'proxy']),
      ]),
      nftables: await attempt('translates addresses in turn', 'nft', ['-f', '-'], nftProbe),
      ipvs: await attempt('a service was made', 'ipvsadm', ['-A', '-f', '1', '-s', 'rr']),
      conntrack: await attempt('', 'conntrack', ['--version']),
      wireguard: await tryWireguard(commands, namespace),
      sctp: await trySctp(commands, namespace),
    };
  } finally {
    await commands.run({ program: 'ip', args: ['netns', 'del', scratch] });
  }
}

/**
 * Whether encrypted networks are possible, as {@link probeNetworkCapabilities} would say.
 * @param scratch name of a namespace; must be nobody else's.
 */
export async function probeWireguard(
  commands: KernelCommands,
  scratch: string,
): Promise<Capability> {
  const made = await commands.run({ program: 'ip', args: ['netns', 'add', scratch] });
  if (made.kind === 'failed') return { kind: 'no', reason: made.message };
  try {
    return await tryWireguard(commands, `/run/netns/${scratch}`);
  } finally {
    await commands.run({ program: 'ip', args: ['netns', 'del', scratch] });
  }
}

/** A kernel that knows no SCTP takes the rule all the same; IPVS may be built without it. */
async function trySctp(commands: KernelCommands, namespace: string): Promise<Capability> {
  const run = (program: string, args: readonly string[], input?: string) =>
    commands.run({ program, args, input, namespace });
  const hasIpvs = (await run('ipvsadm', ['-A', '-f', '2', '-s', 'rr'])).kind === 'done';
  for (const attempt of [
    () => run('nft', ['-f', '-'], sctpProbe),
    () => run('cat', [sctpTimeout]),
    ...(hasIpvs
      ? [() => run('ipvsadm', ['-A', '--sctp-service', '192.0.2.1:80', '-s', 'rr'])]
      : []),
  ]) {
    const outcome = await attempt();
    if (outcome.kind === 'failed') return { kind: 'no', reason: outcome.message };
  }
  return { kind: 'yes', detail: 'is translated' };
}

const missingTool = 'wg is missing, install wireguard-tools';

/** The kernel's part, and the tool that tells it keys. */
async function tryWireguard(commands: KernelCommands, namespace: string): Promise<Capability> {
  const add = ['link', 'add', 'probe1', 'type', 'wireguard'];
  for (const [program, args] of [
    ['ip', add],
    ['wg', ['show', 'probe1']],
  ] as const) {
    const outcome = await commands.run({ program, args, namespace });
    if (outcome.kind === 'done') continue;
    const isMissing = program === 'wg' && outcome.stderr.includes('failed to execute');
    return { kind: 'no', reason: isMissing ? missingTool : outcome.message };
  }
  return { kind: 'yes', detail: 'a device was made' };
}

export type BalancerKind = 'ipvs' | 'nftables';

/** IPVS where the kernel has it; nftables is needed beside it in any case. Undefined: neither works. */
export function chooseBalancer({ nftables, ipvs }: NetworkCapabilities): BalancerKind | undefined {
  if (nftables.kind === 'no') return undefined;
  return ipvs.kind === 'yes' ? 'ipvs' : 'nftables';
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
