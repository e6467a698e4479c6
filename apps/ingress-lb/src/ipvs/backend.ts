import type { KernelCommands } from '@shoal/overlay/kernel';
import type { Balancing } from '../desired/balancing.ts';
import { type Applied, applied, type BalancerBackend } from '../kernel/backend.ts';
import { setSysctls } from '../kernel/sysctls.ts';
import { applyRules } from '../nftables/backend.ts';
import { legDeviceOf, masqueradedOf, readListing, sourceOf } from '../nftables/read.ts';
import { tableName } from '../nftables/table.ts';
import { markedAddresses, renderMarks } from './marks.ts';
import {
  type IpvsServices,
  parseServices,
  renderServiceChange,
  serversOf,
  wantedServices,
} from './services.ts';

/**
 * Translation needs connections tracked; a port that is used again must not hang on a dead backend, and
 * flows of backends that went are thrown away with their next packet.
 */
const ipvsSysctls = {
  'net/ipv4/vs/conntrack': '1',
  'net/ipv4/vs/conn_reuse_mode': '0',
  'net/ipv4/vs/expire_nodest_conn': '1',
  'net/ipv4/vs/expire_quiescent_template': '1',
};

/** The kernel's own load balancer, led to by marks of nftables. */
export function ipvsBackend(commands: KernelCommands): BalancerBackend {
  async function services(namespace: string): Promise<IpvsServices | string> {
    const args = ['--save', '--numeric'];
    const outcome = await commands.run({ program: 'ipvsadm', args, namespace });
    return outcome.kind === 'done' ? parseServices(outcome.stdout) : outcome.message;
  }

  async function restore(namespace: string, input: string): Promise<Applied> {
    if (input === '') return applied;
    const args = ['--restore'];
    const outcome = await commands.run({ program: 'ipvsadm', args, input, namespace });
    return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
  }

  return {
    kind: 'ipvs',
    async apply(namespace, have, want) {
      const present = await services(namespace);
      if (typeof present === 'string') return { kind: 'failed', message: present };
      const change = renderServiceChange(present, wantedServices(want));
      const marks = renderMarks(want);
      // In this order no packet is led to where nobody is.
      const steps = [
        // What had nothing of ours is new.
        () => (have === undefined ? setSysctls(commands, namespace, ipvsSysctls) : applied),
        () => restore(namespace, change.first),
        () =>
          have !== undefined && renderMarks(have) === marks
            ? Promise.resolve(applied)
            : applyRules(commands, namespace, marks),
        () => restore(namespace, change.last),
      ];
      for (const step of steps) {
        const outcome = await step();
        if (outcome.kind === 'failed') return outcome;
      }
      return applied;
    },
    async read(namespace, want) {
      const present = await services(namespace);
      const args = ['-j', 'list', 'table', ...tableName.split(' ')];
      const outcome = await commands.run({ program: 'nft', args, namespace });
      if (typeof present === 'string' || outcome.kind === 'failed') return undefined;
      return readBack(present, outcome.stdout, want);
    },
    asRead(want) {
      const servers = [...want.servers].filter(([, { backends }]) => backends.length > 0);
      return { ...want, servers: new Map(servers) };
    },
    unsupported: () => [],
    async clear(namespace) {
      const text = `table ${tableName}\ndelete table ${tableName}\n`;
      const rules = await applyRules(commands, namespace, text);
      if (rules.kind === 'failed') return rules;
      const outcome = await commands.run({ program: 'ipvsadm', args: ['--clear'], namespace });
      return outcome.kind === 'done' ? applied : { kind: 'failed', message: outcome.message };
    },
  };
}

function readBack(present: IpvsServices, text: string, want: Balancing): Balancing | undefined {
  const listing = readListing(text);
  const servers = serversOf(present, want);
  if (listing === undefined || servers === undefined) return undefined;
  if (legDeviceOf(listing) !== want.leg?.device) return undefined;
  const marked = ['marks4', 'marks6'].flatMap((map) => listing.elements.get(map) ?? []);
  const addresses = marked.map((element) => (Array.isArray(element) ? String(element[0]) : ''));
  const wanted = markedAddresses({ ...want, servers });
  // Without its mark a service gets nothing; a mark without service leads nowhere.
  if (addresses.sort().join() !== [...wanted].sort().join()) return undefined;
  return { servers, source: sourceOf(listing), masqueraded: masqueradedOf(listing), leg: want.leg };
}
