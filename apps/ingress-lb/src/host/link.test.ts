import type { Command, CommandOutcome, KernelCommands } from '@shoal/overlay/kernel';
import { silentLogger } from '@shoal/runtime';
import { beforeEach, expect, test } from 'vitest';
import { emptyBalancing, type Protocol, type VirtualServer } from '../desired/balancing.ts';
import type { DesiredNetwork } from '../desired/desired.ts';
import { networkOf } from '../testing/records.ts';
import { defaultLeg } from './leg.ts';
import { HostLink } from './link.ts';

const ends = { 'shoal-in': [1, 2], 'shoal-leg': [2, 1] } as const;

/** A kernel that takes every rule and has both ends of the link; flows are forgotten where the tool is. */
class FakeKernel implements KernelCommands {
  readonly forgotten: string[] = [];
  hasTool = true;
  /** Whether the host's firewall takes rules. */
  takesRules = true;
  /** Whether the rules were written before flows were forgotten. */
  readonly order: string[] = [];

  async run({ program, args }: Command): Promise<CommandOutcome> {
    const failed = { kind: 'failed', message: 'no', stderr: '', stdout: '' } as const;
    const [, script = '', , ...rest] = args;
    if (program === 'sh' && script.includes('conntrack')) {
      if (!this.hasTool) return failed;
      this.order.push('forget');
      this.forgotten.push(...rest);
    }
    if (program === 'iptables' && !this.takesRules && /^-[CI]$/.test(script)) return failed;
    if (program === 'nft' && args.includes('list')) return failed;
    if (program === 'nft') this.order.push('rules');
    if (program === 'ip' && args.includes('show')) {
      const [ifindex, link_index] = ends[args.at(-1) as keyof typeof ends] ?? [0, 0];
      const end = { ifindex, link_index, flags: ['UP'], addr_info: [] };
      return { kind: 'done', stdout: JSON.stringify([end]) };
    }
    return { kind: 'done', stdout: '' };
  }
}

function publishing(...ports: readonly (readonly [Protocol, number, 4 | 6])[]): DesiredNetwork {
  const servers = ports.map(([protocol, port, family]): [string, VirtualServer] => [
    `${protocol} ${port} ${family}`,
    { front: { kind: 'port', protocol, port, family }, label: 'a', schedule: 'rr', backends: [] },
  ]);
  const balancing = { ...emptyBalancing, servers: new Map(servers) };
  return { balancing, virtualIps: [], proxied: new Set(), guards: new Map(), problems: [] };
}

const network = networkOf({ ingress: true });

let kernel: FakeKernel;
let link: HostLink;
beforeEach(() => {
  kernel = new FakeKernel();
  const ports = { hold: async () => new Map<string, string>(), close: async () => undefined };
  link = new HostLink({ commands: kernel, logger: silentLogger, leg: defaultLeg, ports });
});

test('UDP flows follow a port that is published, and one that no longer is', async () => {
  await link.publish(network, publishing(['udp', 514, 4], ['udp', 514, 6], ['tcp', 80, 4]));
  const first = ['-f ipv4 -p udp --orig-port-dst 514', '-f ipv6 -p udp --orig-port-dst 514'];
  expect(kernel.forgotten).toEqual(first);
  kernel.forgotten.length = 0;
  await link.publish(network, publishing(['udp', 53, 4], ['udp', 514, 6]));
  expect(kernel.forgotten.toSorted()).toEqual([
    '-f ipv4 -p udp --orig-port-dst 514',
    '-f ipv4 -p udp --orig-port-dst 53',
  ]);
  // Before the rules stand, packets would only make the old entry again.
  expect(kernel.order).toEqual(['rules', 'forget', 'rules', 'forget']);
});

test('what could not be forgotten is as soon as it can', async () => {
  await link.publish(network, publishing(['udp', 514, 4]));
  kernel.forgotten.length = 0;
  kernel.hasTool = false;
  await link.publish(network, publishing(['udp', 53, 4]));
  expect(link.problems).toEqual([expect.stringContaining('flows')]);
  kernel.hasTool = true;
  await link.audit();
  expect(kernel.forgotten).toContain('-f ipv4 -p udp --orig-port-dst 514');
  expect(link.problems).toEqual([]);
});

test('flows are forgotten as well where the firewall may stop them', async () => {
  kernel.takesRules = false;
  await link.publish(network, publishing(['udp', 514, 4]));
  expect(link.problems).toEqual([expect.stringContaining('firewall')]);
  expect(kernel.forgotten).toEqual(['-f ipv4 -p udp --orig-port-dst 514']);
});

test('UDP flows of a host that left the swarm come to whoever has their port', async () => {
  await link.publish(network, publishing(['udp', 514, 4], ['tcp', 80, 4]));
  kernel.forgotten.length = 0;
  await link.clear();
  expect(kernel.forgotten).toEqual(['-f ipv4 -p udp --orig-port-dst 514']);
  expect(kernel.order).toEqual(['rules', 'forget', 'rules', 'forget']);
});
