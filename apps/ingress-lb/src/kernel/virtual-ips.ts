import type { HostNetwork } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import { addressOf, canonical } from '@shoal/state';
import { z } from 'zod';
import { type Applied, applied } from './backend.ts';

/** The bridge of every network's namespace. */
export const bridge = 'br0';

const links = z.array(
  z.object({
    addr_info: z
      .array(
        z.object({ local: z.string(), prefixlen: z.number(), scope: z.string().default('global') }),
      )
      .default([]),
  }),
);

/**
 * Virtual addresses on the bridge: addresses of one host alone that are not the network's gateway, nor
 * the balancer's. Undefined when the namespace or its bridge is not there.
 */
export async function readVirtualIps(
  commands: KernelCommands,
  network: HostNetwork,
): Promise<readonly string[] | undefined> {
  const args = ['-j', 'address', 'show', 'dev', bridge];
  const outcome = await commands.run({ program: 'ip', args, namespace: network.namespace });
  if (outcome.kind === 'failed') return undefined;
  const own = new Set([
    ...network.subnets.map(({ gateway }) => gateway),
    ...network.balancerAddresses.map(addressOf),
  ]);
  const [link] = links.parse(JSON.parse(outcome.stdout));
  return (link?.addr_info ?? [])
    .filter(({ local, prefixlen }) => prefixlen === (local.includes(':') ? 128 : 32))
    .map(({ local }) => canonical(local) ?? local)
    .filter((address) => !own.has(address))
    .sort();
}

/** Lines for `ip -batch`. IPv6 ones are deprecated, so that nothing of the host speaks from them. */
function renderVirtualIps(have: readonly string[], want: readonly string[]): string {
  const before = new Set(have);
  const after = new Set(want);
  const lines: string[] = [];
  for (const address of after) if (!before.has(address)) lines.push(addLine(address));
  for (const address of before) {
    if (!after.has(address)) lines.push(`address del ${withPrefix(address)} dev ${bridge}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function addLine(address: string): string {
  const options = address.includes(':') ? ' nodad preferred_lft 0' : '';
  return `address replace ${withPrefix(address)} dev ${bridge}${options}`;
}

function withPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

export async function applyVirtualIps(
  commands: KernelCommands,
  namespace: string,
  have: readonly string[],
  want: readonly string[],
): Promise<Applied> {
  const input = renderVirtualIps(have, want);
  if (input === '') return applied;
  const args = ['-batch', '-'];
  const outcome = await commands.run({ program: 'ip', args, input, namespace });
  return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
}
