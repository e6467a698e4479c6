import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { silentLogger } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { emptyBalancing, type VirtualServer } from '../desired/balancing.ts';
import type { DesiredNetwork } from '../desired/desired.ts';
import { networkOf } from '../testing/records.ts';
import { defaultLeg } from './leg.ts';
import { HostLink } from './link.ts';
import { readHostPorts } from './table.ts';

const rule = (chain: string) => ({ rule: { chain, expr: [] } });
/** As nft 1.0.6 lists our table on a host without /etc/protocols (checked with unshare -n -m). */
const listing = JSON.stringify({
  nftables: [
    { set: { name: 'ports4', elem: [{ concat: [17, 514] }] } },
    ...['ports6', 'guarded', 'allowed4', 'allowed6'].map((name) => ({ set: { name } })),
    ...Array.from({ length: 12 }, () => rule('prerouting')),
  ],
});
const ends = { 'shoal-in': [1, 2], 'shoal-leg': [2, 1] } as const;
class FakeKernel implements KernelCommands {
  forgotten: string[] = [];
  rules: string[] = [];
  async run({ program, args, input }: Command): Promise<CommandOutcome> {
    const [, script = '', , ...rest] = args;
    if (program === 'sh' && script.includes('conntrack')) this.forgotten.push(...rest);
    if (program === 'nft' && args.includes('list')) return { kind: 'done', stdout: listing };
    if (program === 'nft') this.rules.push(input ?? '');
    if (program === 'ip' && args.includes('show')) {
      const [ifindex, link_index] = ends[args.at(-1) as keyof typeof ends] ?? [0, 0];
      const addr_info =
        ifindex === 1
          ? [
              { local: '169.254.83.1', prefixlen: 30 },
              { local: 'fd53:686f:616c::1', prefixlen: 126 },
            ]
          : [
              { local: '169.254.83.2', prefixlen: 30 },
              { local: 'fd53:686f:616c::2', prefixlen: 126 },
            ];
      return {
        kind: 'done',
        stdout: JSON.stringify([{ ifindex, link_index, flags: ['UP'], addr_info }]),
      };
    }
    return { kind: 'done', stdout: '' };
  }
}
function publishing(...ports: readonly number[]): DesiredNetwork {
  const servers = ports.map((port): [string, VirtualServer] => [
    `udp ${port}`,
    {
      front: { kind: 'port', protocol: 'udp', port, family: 4 },
      label: 'a',
      schedule: 'rr',
      backends: [],
    },
  ]);
  return {
    balancing: { ...emptyBalancing, servers: new Map(servers) },
    virtualIps: [],
    proxied: new Set(),
    guards: new Map(),
    problems: [],
  };
}
const network = networkOf({ ingress: true });
const ports = { hold: async () => new Map<string, string>(), close: async () => undefined };

test('a listing with protocol numbers is read', () => {
  expect(readHostPorts(listing)).toEqual({
    v4: [{ protocol: 'udp', port: 514 }],
    v6: [],
    guards: [],
  });
});
test('an audit of a sound host table cuts no UDP flows', async () => {
  const commands = new FakeKernel();
  const link = new HostLink({ commands, logger: silentLogger, leg: defaultLeg, ports });
  await link.publish(network, publishing(514));
  commands.forgotten = [];
  commands.rules = [];
  expect(await link.audit()).toBe(false);
  expect(commands.rules).toEqual([]);
  expect(commands.forgotten).toEqual([]);
});
test('after a restart a port that nobody publishes any more is taken from the kernel', async () => {
  const commands = new FakeKernel();
  const link = new HostLink({ commands, logger: silentLogger, leg: defaultLeg, ports });
  await link.publish(network, publishing());
  expect(commands.rules.length).toBe(1);
});
