import type { Network, NetworkSpec, StateView } from '@shoal/state';
import { vniOption } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { restMs } from './resting.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import {
  cluster,
  container,
  network,
  node,
  removed,
  service,
  subnet,
  task,
} from './testing/objects.ts';
import { usedRatio } from './usage.ts';

type Configs = NonNullable<NonNullable<NetworkSpec['IPAM']>['Configs']>;

function asking(id: string, ...Configs: Configs) {
  return network(id, { IPAM: { Configs } });
}

function subnets(view: StateView, id: string): readonly string[] {
  const { allocation } = view.networks.get(id) as Network;
  return (allocation?.subnets ?? []).map((one) => `${one.subnet} ${one.gateway} ${one.vni}`);
}

function problem(view: StateView, id: string): string | undefined {
  return view.networks.get(id)?.problem;
}

describe('a network without wishes', () => {
  it('gets the first free /24 of 10.0.0.0/8, its first host as gateway, and a VXLAN id from 4096', () => {
    const swarm = new FakeSwarm().write(network('a'), network('b'), network('c'));
    const { view } = swarm;
    expect(subnets(view, 'a')).toEqual(['10.0.0.0/24 10.0.0.1 4096']);
    expect(subnets(view, 'b')).toEqual(['10.0.1.0/24 10.0.1.1 4097']);
    expect(subnets(view, 'c')).toEqual(['10.0.2.0/24 10.0.2.1 4098']);
  });

  it('gets what a deleted network had, but not at once', () => {
    const swarm = new FakeSwarm().write(network('a'), network('b'));
    const { view } = swarm;
    swarm.write(...removed(view, 'network', 'a'));
    swarm.write(network('c'));
    expect(subnets(view, 'c')).toEqual(['10.0.2.0/24 10.0.2.1 4098']);
    swarm.pass(restMs);
    swarm.write(network('d'));
    expect(subnets(view, 'd')).toEqual(['10.0.0.0/24 10.0.0.1 4096']);
  });

  it('gets one of the pools that the swarm was made with, in their order', () => {
    const { view } = new FakeSwarm().write(
      cluster(['10.20.0.0/23', '192.168.0.0/16'], 24),
      ...['a', 'b', 'c'].map((id) => network(id)),
    );
    expect(['a', 'b', 'c'].flatMap((id) => subnets(view, id))).toEqual([
      '10.20.0.0/24 10.20.0.1 4096',
      '10.20.1.0/24 10.20.1.1 4097',
      '192.168.0.0/24 192.168.0.1 4098',
    ]);
  });

  it('keeps clear of what users chose, whatever its size', () => {
    const { view } = new FakeSwarm()
      .write(subnet('a', '10.0.0.128/28'), subnet('b', '10.0.2.0/23'))
      .write(...['c', 'd', 'e'].map((id) => network(id)));
    expect(['c', 'd', 'e'].map((id) => subnets(view, id)[0]?.split(' ')[0])).toEqual([
      '10.0.1.0/24',
      '10.0.4.0/24',
      '10.0.5.0/24',
    ]);
  });

  it('says so when the pools are used up, on the tasks too, and gets the first that is free again', () => {
    const swarm = new FakeSwarm().write(cluster(['10.20.0.0/24'], 25));
    swarm.write(...['a', 'b', 'c'].map((id) => network(id)));
    const { view } = swarm;
    const sentence =
      'no free subnet of size /25 is left in 10.20.0.0/24 for network name of c: remove a network that is not needed or name a subnet with --subnet';
    expect(problem(view, 'c')).toBe(sentence);
    swarm.write(...service('web', { networks: ['c'] }), task('one', 'web'));
    expect(view.tasks.get('one')?.status).toMatchObject({ state: 'new', err: sentence });
    swarm.write(...removed(view, 'network', 'a'));
    expect([subnets(view, 'c'), problem(view, 'c')]).toEqual([
      ['10.20.0.0/25 10.20.0.1 4098'],
      undefined,
    ]);
    expect(view.tasks.get('one')?.status).toMatchObject({ state: 'pending', err: '' });
  });

  it('with IPv6 gets a /64 of the cluster’s own range besides', () => {
    const { view } = new FakeSwarm().write(
      cluster(['10.0.0.0/8'], 24),
      network('a', { EnableIPv6: true }),
      network('b', { EnableIPv6: true }),
    );
    const [, first] = subnets(view, 'a');
    const [, second] = subnets(view, 'b');
    expect(first).toMatch(/^fd[0-9a-f]{2}:[0-9a-f]+:[0-9a-f]+::\/64 fd[0-9a-f:]+::1 4096$/);
    expect(second).toMatch(/^fd[0-9a-f]{2}:[0-9a-f]+:[0-9a-f]+:1::\/64 fd[0-9a-f:]+:1::1 4097$/);
  });

  it('on one host alone gets nothing', () => {
    const { view } = new FakeSwarm().write(network('a', { Predefined: true, Driver: 'bridge' }));
    expect(view.networks.get('a')).not.toHaveProperty('allocation');
  });
});

describe('a network with wishes', () => {
  it('gets its subnets, with its gateways where it names them', () => {
    const { view } = new FakeSwarm().write(
      asking('a', { Subnet: '10.5.0.0/16', Gateway: '10.5.3.4' }, { Subnet: 'FD00:0::/48' }),
    );
    expect(subnets(view, 'a')).toEqual(['10.5.0.0/16 10.5.3.4 4096', 'fd00::/48 fd00::1 4096']);
  });

  it('gets one of each family that it names no subnet of', () => {
    const { view } = new FakeSwarm().write(subnet('a', 'fd01::/64', { EnableIPv6: true }));
    expect(subnets(view, 'a')).toEqual(['fd01::/64 fd01::1 4096', '10.0.0.0/24 10.0.0.1 4096']);
  });

  it('gives addresses of its range only, and nobody its reserved ones', () => {
    const { view } = new FakeSwarm().write(
      asking('a', {
        Subnet: '10.5.0.0/16',
        IPRange: '10.5.9.0/30',
        AuxAddresses: { router: '10.5.9.2' },
      }),
      ...service('web', { networks: ['a'], mode: 'dnsrr' }),
      ...['1', '2', '3', '4'].map((id) => task(id, 'web')),
    );
    const addresses = ['1', '2', '3', '4'].map(
      (id) => view.tasks.get(id)?.networks?.[0]?.addresses,
    );
    expect(addresses).toEqual([['10.5.9.0/16'], ['10.5.9.1/16'], ['10.5.9.3/16'], undefined]);
  });

  it('has a range of its own in each subnet', () => {
    const first = { Subnet: '10.5.0.0/24', IPRange: '10.5.0.4/30' };
    const second = { Subnet: '10.6.0.0/24', IPRange: '10.6.0.8/30' };
    const ids = ['1', '2', '3', '4', '5', '6', '7', '8'];
    const { view } = new FakeSwarm().write(
      asking('a', first, { ...second, AuxAddresses: { router: '10.6.0.9' } }),
      ...service('web', { networks: ['a'], mode: 'dnsrr' }),
      ...ids.map((id) => task(id, 'web')),
    );
    expect(ids.map((id) => view.tasks.get(id)?.networks?.[0]?.addresses[0])).toEqual([
      ...[4, 5, 6, 7].map((last) => `10.5.0.${last}/24`),
      ...[8, 10, 11].map((last) => `10.6.0.${last}/24`),
      undefined,
    ]);
  });

  it('is full when its range is, whatever containers have beside it', () => {
    const swarm = new FakeSwarm().write(
      node('n1'),
      asking('a', { Subnet: '10.5.0.0/16', IPRange: '10.5.9.0/29' }),
    );
    const { view } = swarm;
    const byHand = (id: number) => container(`c${id}`, 'a', 'n1', `10.5.1.${id}`);
    swarm.write(...[1, 2, 3, 4, 5, 6, 7].map(byHand), container('in', 'a', 'n1', '10.5.9.1'));
    expect(usedRatio(view, view.networks.get('a') as Network)).toBe(2 / 8);
    const tasks = Array.from({ length: 7 }, (_, at) => `t${at}`);
    swarm.write(
      ...[8, 9].map(byHand),
      ...service('web', { networks: ['a'], mode: 'dnsrr' }),
      ...tasks.map((id) => task(id, 'web')),
    );
    // The balancer of the node has the first.
    expect(tasks.map((id) => view.tasks.get(id)?.networks?.[0]?.addresses[0])).toEqual([
      ...[2, 3, 4, 5, 6, 7].map((last) => `10.5.9.${last}/16`),
      undefined,
    ]);
  });

  it('gets the VXLAN ids it names, one for each subnet', () => {
    const DriverOptions = { [vniOption]: '5000,5001' };
    const IPAM = { Configs: [{ Subnet: '10.5.0.0/24' }, { Subnet: '10.6.0.0/24' }] };
    const { view } = new FakeSwarm().write(network('a', { DriverOptions, IPAM }));
    expect(subnets(view, 'a')).toEqual(['10.5.0.0/24 10.5.0.1 5000', '10.6.0.0/24 10.6.0.1 5001']);
  });

  it.each([
    [
      'a subnet that overlaps with another network',
      asking('b', { Subnet: '10.5.1.0/24' }),
      'subnet 10.5.1.0/24 of network name of b overlaps with 10.5.0.0/16 of network name of a: choose another --subnet',
    ],
    [
      'subnets that overlap with each other',
      asking('b', { Subnet: '10.6.0.0/16' }, { Subnet: '10.6.7.0/24' }),
      'subnet 10.6.7.0/24 of network name of b overlaps with 10.6.0.0/16 of the network itself: choose another --subnet',
    ],
    [
      'a VXLAN id that another network has',
      network('b', { DriverOptions: { [vniOption]: '4096' } }),
      'VXLAN identifier 4096 of network name of b is used by network name of a: name another one or remove that network',
    ],
    [
      'a subnet with host bits',
      asking('b', { Subnet: '10.6.0.1/16' }),
      'network name of b: invalid subnet 10.6.0.1/16: it has host bits set',
    ],
    [
      'a gateway elsewhere',
      asking('b', { Subnet: '10.6.0.0/16', Gateway: '10.7.0.1' }),
      'network name of b: invalid gateway 10.7.0.1: it is no host address of subnet 10.6.0.0/16',
    ],
  ])('that are %s has none, and says why', (_case, change, sentence) => {
    const { view } = new FakeSwarm().write(asking('a', { Subnet: '10.5.0.0/16' })).write(change);
    expect(subnets(view, 'b')).toEqual([]);
    expect(problem(view, 'b')).toBe(sentence);
  });

  it('that are free again after another network went has them', () => {
    const swarm = new FakeSwarm()
      .write(subnet('a', '10.5.0.0/16'))
      .write(subnet('b', '10.5.1.0/24'));
    swarm.write(...removed(swarm.view, 'network', 'a'));
    expect(subnets(swarm.view, 'b')).toEqual(['10.5.1.0/24 10.5.1.1 4097']);
  });
});
