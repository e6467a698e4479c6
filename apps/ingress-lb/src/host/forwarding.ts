import type { KernelCommands } from '@shoal/overlay/kernel';

/**
 * The engine lets nothing be forwarded that it has not made itself, once it has turned forwarding on. An
 * `accept` of nftables ends only its own chain, so the way is opened in the engine's own table.
 */
const chains = ['DOCKER-USER', 'FORWARD'] as const;

function acceptRules(device: string): readonly (readonly string[])[] {
  return [
    ['-o', device, '-m', 'conntrack', '--ctstate', 'DNAT', '-j', 'ACCEPT'],
    ['-i', device, '-m', 'conntrack', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'ACCEPT'],
  ];
}

/**
 * Sees to it that traffic of the link passes the host's firewall. Gives back what stands in the way;
 * undefined when nothing does. Without iptables there is no such policy to pass.
 */
export async function allowForwarding(
  commands: KernelCommands,
  host: string | undefined,
  device: string,
  ipv6: boolean,
): Promise<string | undefined> {
  for (const program of ipv6 ? ['iptables', 'ip6tables'] : ['iptables']) {
    const run = (args: readonly string[]) =>
      commands.run({ program, args: ['-w', ...args], namespace: host });
    const chain = await firewallChain(run);
    if (chain === undefined) continue;
    // Each goes to the top: the last one added is the first.
    for (const rule of acceptRules(device)) {
      if ((await run(['-C', chain, ...rule])).kind === 'done') continue;
      const outcome = await run(['-I', chain, ...rule]);
      if (outcome.kind === 'failed') {
        return `published ports may not pass this host's firewall: ${outcome.message}`;
      }
    }
  }
  return undefined;
}

type Run = (
  args: readonly string[],
) => Promise<{ readonly kind: 'done' | 'failed' } & { stdout: string }>;

/** The engine's chain for its users; else the built-in one where it drops. */
async function firewallChain(run: Run): Promise<(typeof chains)[number] | undefined> {
  if ((await run(['-n', '-L', 'DOCKER-USER'])).kind === 'done') return 'DOCKER-USER';
  const policy = await run(['-S', 'FORWARD']);
  const drops = policy.kind === 'done' && /^-P FORWARD (DROP|REJECT)/m.test(policy.stdout);
  return drops ? 'FORWARD' : undefined;
}

/** Takes the rules away, wherever they are. */
export async function forbidForwarding(
  commands: KernelCommands,
  host: string | undefined,
  device: string,
): Promise<void> {
  for (const program of ['iptables', 'ip6tables']) {
    for (const chain of chains) {
      for (const rule of acceptRules(device)) {
        await commands.run({ program, args: ['-w', '-D', chain, ...rule], namespace: host });
      }
    }
  }
}
