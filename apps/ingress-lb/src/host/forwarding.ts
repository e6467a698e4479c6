import type { CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';

/**
 * The engine lets nothing be forwarded that it has not made itself, once it has turned forwarding on. An
 * `accept` of nftables ends only its own chain, so the way is opened in the engine's own table.
 */
const chains = ['DOCKER-USER', 'FORWARD'] as const;
type Chain = (typeof chains)[number];
/** Two variants keep rules apart from each other, and the engine uses one: by its plain name it may be the other. */
const variants = ['', '-legacy', '-nft'] as const;
const families = ['iptables', 'ip6tables'] as const;

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
  for (const family of ipv6 ? families : families.slice(0, 1)) {
    const wall = await firewall((variant, args) =>
      commands.run({ program: family + variant, args: ['-w', ...args], namespace: host }),
    );
    if (wall === undefined) continue;
    const { chain, run } = wall;
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

/** Where the rules go. */
interface Firewall {
  readonly chain: Chain;
  run(args: readonly string[]): Promise<CommandOutcome>;
}

/** The engine's chain for its users; else the built-in one where it drops. */
async function firewall(
  runAs: (variant: string, args: readonly string[]) => Promise<CommandOutcome>,
): Promise<Firewall | undefined> {
  const isThere = async (variant: string): Promise<boolean> =>
    (await runAs(variant, ['-n', '-L', 'DOCKER-USER'])).kind === 'done';
  const drops = async (variant: string): Promise<boolean> => {
    const policy = await runAs(variant, ['-S', 'FORWARD']);
    return policy.kind === 'done' && /^-P FORWARD (DROP|REJECT)/m.test(policy.stdout);
  };
  for (const [chain, fits] of [
    ['DOCKER-USER', isThere],
    ['FORWARD', drops],
  ] as const) {
    for (const variant of variants) {
      if (await fits(variant)) return { chain, run: (args) => runAs(variant, args) };
    }
  }
  return undefined;
}

/** Takes the rules away, wherever they are. */
export async function forbidForwarding(
  commands: KernelCommands,
  host: string | undefined,
  device: string,
): Promise<void> {
  const programs = families.flatMap((family) => variants.map((variant) => family + variant));
  for (const program of programs) {
    for (const chain of chains) {
      for (const rule of acceptRules(device)) {
        await commands.run({ program, args: ['-w', '-D', chain, ...rule], namespace: host });
      }
    }
  }
}
