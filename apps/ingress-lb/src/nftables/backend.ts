import type { KernelCommands } from '@shoal/overlay/kernel';
import { openOnly } from '../desired/balancing.ts';
import { type Applied, applied, type BalancerBackend } from '../kernel/backend.ts';
import { readBalancing } from './read.ts';
import { renderChange, renderWhole, tableName, unsupported } from './table.ts';

/** One transaction of nft. */
export async function applyRules(
  commands: KernelCommands,
  namespace: string | undefined,
  text: string,
): Promise<Applied> {
  if (text === '') return applied;
  const outcome = await commands.run({ program: 'nft', args: ['-f', '-'], input: text, namespace });
  return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
}

/** Chains of nftables' own NAT: for kernels without IPVS, and fast everywhere. */
export function nftablesBackend(commands: KernelCommands): BalancerBackend {
  return {
    kind: 'nftables',
    async apply(namespace, have, want) {
      if (have !== undefined) {
        const change = await applyRules(commands, namespace, renderChange(have, want));
        // Somebody else changed the table meanwhile: then all of it is written.
        if (change.kind === 'applied') return change;
      }
      return applyRules(commands, namespace, renderWhole(want));
    },
    async read(namespace, want) {
      const args = ['-j', 'list', 'table', ...tableName.split(' ')];
      const outcome = await commands.run({ program: 'nft', args, namespace });
      return outcome.kind === 'done' ? readBalancing(outcome.stdout, want.leg) : undefined;
    },
    asRead(want) {
      const { servers, ...frame } = openOnly(want);
      const read = [...servers].map(
        ([key, server]) =>
          [
            key,
            server.schedule === 'lc' ? { ...server, schedule: 'rr' as const } : server,
          ] as const,
      );
      return { ...frame, servers: new Map(read) };
    },
    unsupported,
    clear: (namespace) =>
      applyRules(commands, namespace, `table ${tableName}\ndelete table ${tableName}\n`),
  };
}
