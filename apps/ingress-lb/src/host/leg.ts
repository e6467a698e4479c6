import type { KernelCommands } from '@shoal/overlay/kernel';
import { addressOf } from '@shoal/state';
import { z } from 'zod';
import type { Balancing, FamilyAddresses } from '../desired/balancing.ts';
import { type Applied, applied } from '../kernel/backend.ts';
import { setSysctls } from '../kernel/sysctls.ts';

/** The link between host and ingress network: names of its ends, and their addresses with prefix. */
export interface LegPlan {
  readonly hostDevice: string;
  readonly device: string;
  readonly host: FamilyAddresses;
  readonly inside: FamilyAddresses;
}

/** Beside the ranges that hosts and overlay networks use; nothing but the two ends has them. */
export const defaultLeg: LegPlan = {
  hostDevice: 'shoal-in',
  device: 'shoal-leg',
  host: { v4: '169.254.83.1/30', v6: 'fd53:686f:616c::1/126' },
  inside: { v4: '169.254.83.2/30', v6: 'fd53:686f:616c::2/126' },
};

/** The inner end as rules name it. */
export function innerEnd({ device, inside }: LegPlan): NonNullable<Balancing['leg']> {
  return { device, addresses: hostAddresses(inside) };
}

export function hostAddresses({ v4, v6 }: FamilyAddresses): FamilyAddresses {
  return {
    ...(v4 === undefined ? {} : { v4: addressOf(v4) }),
    ...(v6 === undefined ? {} : { v6: addressOf(v6) }),
  };
}

const link = z.tuple([
  z.object({
    ifindex: z.number(),
    link_index: z.number().optional(),
    operstate: z.string().optional(),
    flags: z.array(z.string()).default([]),
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number() })).default([]),
  }),
]);
type Link = z.output<typeof link>[0];

export interface LegOptions {
  readonly commands: KernelCommands;
  /** Namespace of the host; absent: our own. */
  readonly host: string | undefined;
  /** Namespace of the ingress network. */
  readonly namespace: string;
  readonly plan: LegPlan;
  /** Whether the ingress network has IPv6. */
  readonly ipv6: boolean;
}

/** Builds what is missing of the link; nothing when all is there. */
export async function ensureLeg(options: LegOptions): Promise<Applied> {
  const { commands, host, namespace, plan } = options;
  const outer = await readLink(commands, host, plan.hostDevice);
  const inner = await readLink(commands, namespace, plan.device);
  const whole =
    isSound(outer, inner, plan.host, options) && isSound(inner, outer, plan.inside, options);
  const build = [
    () => removeLeg(commands, host, plan),
    () =>
      batch(commands, host, [
        createLine(plan, namespace),
        ...endLines(plan.hostDevice, plan.host, options),
      ]),
    () => batch(commands, namespace, endLines(plan.device, plan.inside, options)),
  ];
  // The settings each time: one of them may have failed when it was built, and others of the host write them too.
  for (const step of [
    ...(whole ? [] : build),
    () => ensureRoutes(options),
    () => setSysctls(commands, host, hostSysctls(options)),
    () => (options.ipv6 ? forwardIpv6(commands, host) : applied),
    () => setSysctls(commands, namespace, { [`net/ipv4/conf/${plan.device}/rp_filter`]: '0' }),
  ]) {
    const outcome = await step();
    if (outcome.kind === 'failed') return outcome;
  }
  return applied;
}

export async function removeLeg(
  commands: KernelCommands,
  host: string | undefined,
  { hostDevice }: LegPlan,
): Promise<Applied> {
  if ((await readLink(commands, host, hostDevice)) === undefined) return applied;
  return batch(commands, host, [`link del ${hostDevice}`]);
}

/** `localhost` and the host's own addresses work as well; the host forwards. */
function hostSysctls({ plan }: LegOptions): Readonly<Record<string, string>> {
  return {
    'net/ipv4/ip_forward': '1',
    [`net/ipv4/conf/${plan.hostDevice}/route_localnet`]: '1',
    [`net/ipv4/conf/${plan.hostDevice}/rp_filter`]: '2',
  };
}

/** A host that forwards would no longer listen to its routers, and lose its own way out. */
const forwardScript = `cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0
[ "$(cat all/forwarding)" = 1 ] && exit 0
for each in */accept_ra; do [ "$(cat "$each")" != 1 ] || echo 2 > "$each" || exit 1; done
echo 1 > all/forwarding`;

async function forwardIpv6(commands: KernelCommands, host: string | undefined): Promise<Applied> {
  const args = ['-c', forwardScript];
  const outcome = await commands.run({ program: 'sh', args, namespace: host });
  return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
}

function createLine({ hostDevice, device }: LegPlan, namespace: string): string {
  return `link add ${hostDevice} type veth peer name ${device} netns ${namespace}`;
}

function endLines(
  device: string,
  addresses: FamilyAddresses,
  { ipv6 }: LegOptions,
): readonly string[] {
  return [
    ...(addresses.v4 === undefined ? [] : [`address replace ${addresses.v4} dev ${device}`]),
    ...(addresses.v6 === undefined || !ipv6
      ? []
      : [`address replace ${addresses.v6} dev ${device} nodad`]),
    `link set ${device} up`,
  ];
}

async function ensureRoutes({ commands, namespace, plan, ipv6 }: LegOptions): Promise<Applied> {
  const { v4, v6 } = hostAddresses(plan.host);
  return batch(commands, namespace, [
    ...(v4 === undefined ? [] : [`route replace default via ${v4} dev ${plan.device}`]),
    ...(v6 === undefined || !ipv6 ? [] : [`route replace default via ${v6} dev ${plan.device}`]),
  ]);
}

function isSound(
  end: Link | undefined,
  other: Link | undefined,
  addresses: FamilyAddresses,
  { ipv6 }: LegOptions,
): boolean {
  if (end === undefined || other === undefined) return false;
  const present = new Set(end.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`));
  return (
    end.link_index === other.ifindex &&
    end.flags.includes('UP') &&
    (addresses.v4 === undefined || present.has(addresses.v4)) &&
    (addresses.v6 === undefined || !ipv6 || present.has(addresses.v6))
  );
}

async function readLink(
  commands: KernelCommands,
  namespace: string | undefined,
  device: string,
): Promise<Link | undefined> {
  const args = ['-j', 'address', 'show', 'dev', device];
  const outcome = await commands.run({ program: 'ip', args, namespace });
  if (outcome.kind === 'failed') return undefined;
  return link.safeParse(JSON.parse(outcome.stdout)).data?.[0];
}

export async function batch(
  commands: KernelCommands,
  namespace: string | undefined,
  lines: readonly string[],
): Promise<Applied> {
  if (lines.length === 0) return applied;
  const input = `${lines.join('\n')}\n`;
  const outcome = await commands.run({ program: 'ip', args: ['-batch', '-'], input, namespace });
  return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
}
