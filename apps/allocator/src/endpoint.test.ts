import type { StateView } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { dynamicPortFirst, dynamicPortLast } from './ports.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import {
  hostPort,
  ingressPort,
  moved,
  network,
  openPort,
  removed,
  service,
  task,
  updated,
} from './testing/objects.ts';

function virtualIps(view: StateView, id: string): readonly string[] {
  return (view.services.get(id)?.endpoint.virtualIps ?? []).map(
    ({ networkId, addr }) => `${networkId} ${addr}`,
  );
}

function published(view: StateView, id: string): readonly (number | undefined)[] {
  return (view.services.get(id)?.endpoint.ports ?? []).map(({ PublishedPort }) => PublishedPort);
}

const ingress = network('ingress', { Ingress: true });

describe('a service', () => {
  it('gets the ports it publishes on the nodes, for its revision', () => {
    const { view } = new FakeSwarm().write(...service('web', { ports: [hostPort] }));
    const endpoint = { revision: 1, ports: [hostPort], virtualIps: [] };
    expect(view.services.get('web')?.endpoint).toEqual(endpoint);
  });

  it('gets nothing while a port needs the ingress network, and its tasks say so', () => {
    const swarm = new FakeSwarm();
    const { view } = swarm.write(...service('web', { ports: [ingressPort] }), task('one', 'web'));
    expect(view.services.get('web')?.endpoint.revision).toBe(0);
    expect(view.tasks.get('one')?.status).toMatchObject({
      state: 'new',
      err: 'ingress network is missing',
    });
    swarm.write(ingress);
    expect(published(view, 'web')).toEqual([8080]);
    expect(view.tasks.get('one')?.status).toMatchObject({ state: 'pending', err: '' });
  });

  it('gets a virtual address in each of its networks, in the ingress network first', () => {
    const { view } = new FakeSwarm().write(
      ingress,
      network('a'),
      network('b'),
      ...service('web', { networks: ['b', 'a'], ports: [ingressPort] }),
    );
    expect(virtualIps(view, 'web')).toEqual([
      'ingress 10.0.0.2/24',
      'b 10.0.2.2/24',
      'a 10.0.1.2/24',
    ]);
  });

  it('lists what it has before what an update brings, the ingress network first of these', () => {
    const swarm = new FakeSwarm().write(
      ingress,
      network('a'),
      network('b'),
      ...service('web', { networks: ['a'] }),
    );
    const { view } = swarm;
    swarm.write(...updated(view, 'web', { networks: ['b', 'a'], ports: [ingressPort] }));
    expect(virtualIps(view, 'web')).toEqual([
      'a 10.0.1.2/24',
      'ingress 10.0.0.2/24',
      'b 10.0.2.2/24',
    ]);
  });

  it('gets one of each family where the network has both', () => {
    const { view } = new FakeSwarm().write(
      network('a', { EnableIPv6: true, IPAM: { Configs: [{ Subnet: 'fd01::/64' }] } }),
      ...service('web', { networks: ['a'] }),
      task('one', 'web'),
    );
    expect(virtualIps(view, 'web')).toEqual(['a 10.0.0.2/24', 'a fd01::2/64']);
    expect(view.tasks.get('one')?.networks).toEqual([
      { networkId: 'a', addresses: ['10.0.0.3/24', 'fd01::3/64'] },
    ]);
  });

  it('in mode dnsrr gets none', () => {
    const { view } = new FakeSwarm().write(
      network('a'),
      ...service('web', { networks: ['a'], mode: 'dnsrr' }),
    );
    expect(view.services.get('web')?.endpoint).toMatchObject({ revision: 1, virtualIps: [] });
  });

  it('gets none in node-local networks', () => {
    const { view } = new FakeSwarm().write(
      network('host', { Predefined: true, Driver: 'host' }),
      ...service('web', { networks: ['host'] }),
      task('one', 'web'),
    );
    expect(view.services.get('web')?.endpoint).toMatchObject({ revision: 1, virtualIps: [] });
    expect(view.tasks.get('one')?.networks).toBeUndefined();
    expect(view.networks.get('host')?.allocation).toBeUndefined();
  });

  it('keeps its virtual addresses over updates, and loses them with network and mode', () => {
    const swarm = new FakeSwarm().write(
      network('a'),
      network('b'),
      ...service('web', { networks: ['a'] }),
    );
    const { view } = swarm;
    expect(virtualIps(view, 'web')).toEqual(['a 10.0.0.2/24']);
    swarm.write(...updated(view, 'web', { networks: ['b', 'a'] }));
    expect(virtualIps(view, 'web')).toEqual(['a 10.0.0.2/24', 'b 10.0.1.2/24']);
    swarm.write(...updated(view, 'web', { networks: ['b'] }));
    expect(virtualIps(view, 'web')).toEqual(['b 10.0.1.2/24']);
    expect(view.addresses('a').count(4)).toBe(1);
    swarm.write(...updated(view, 'web', { networks: ['b'], mode: 'dnsrr' }));
    expect(virtualIps(view, 'web')).toEqual([]);
    swarm.write(...updated(view, 'web', { networks: ['b'] }));
    expect(virtualIps(view, 'web')).toEqual(['b 10.0.1.3/24']);
  });

  describe('in a network that an update has left', () => {
    const left = (): FakeSwarm => {
      const swarm = new FakeSwarm().write(
        network('a'),
        network('b'),
        ...service('web', { networks: ['a', 'b'] }),
        task('one', 'web'),
        task('two', 'web', { slot: 2 }),
      );
      for (const id of ['one', 'two']) swarm.write(...moved(swarm.view, id, 'running'));
      return swarm.write(...updated(swarm.view, 'web', { networks: ['b'] }));
    };

    it('keeps its virtual address until its last task there has ended', () => {
      const swarm = left();
      const { view } = swarm;
      expect(virtualIps(view, 'web')).toEqual(['a 10.0.0.2/24', 'b 10.0.1.2/24']);
      swarm.write(...moved(view, 'one', 'shutdown'));
      expect(virtualIps(view, 'web')).toEqual(['a 10.0.0.2/24', 'b 10.0.1.2/24']);
      swarm.write(...moved(view, 'two', 'failed'));
      expect(virtualIps(view, 'web')).toEqual(['b 10.0.1.2/24']);
      expect(view.addresses('a').count(4)).toBe(1);
    });

    it('keeps it when it comes back meanwhile', () => {
      const swarm = left();
      const { view } = swarm;
      swarm.write(...updated(view, 'web', { networks: ['b', 'a'] }));
      for (const id of ['one', 'two']) swarm.write(...removed(view, 'task', id));
      expect(virtualIps(view, 'web')).toEqual(['a 10.0.0.2/24', 'b 10.0.1.2/24']);
    });

    it('gives it back when it is removed meanwhile', () => {
      const swarm = left();
      const { view } = swarm;
      swarm.write(...removed(view, 'service', 'web'));
      for (const id of ['one', 'two']) swarm.write(...moved(view, id, 'shutdown'));
      expect([view.addresses('a').count(4), view.addresses('b').count(4)]).toEqual([1, 1]);
    });

    it('loses it with the network', () => {
      const swarm = left();
      const { view } = swarm;
      const ended = ['one', 'two'].flatMap((id) => moved(view, id, 'shutdown'));
      swarm.write(...ended, ...removed(view, 'network', 'a'));
      expect(virtualIps(view, 'web')).toEqual(['b 10.0.1.2/24']);
    });
  });

  it('gives everything back when it is removed', () => {
    const swarm = new FakeSwarm().write(
      ingress,
      network('a'),
      ...service('web', { networks: ['a'], ports: [ingressPort] }),
    );
    const { view } = swarm;
    expect(view.ingressPorts.get('tcp/8080')).toBe('web');
    swarm.write(...removed(view, 'service', 'web'));
    expect(view.ingressPorts.size).toBe(0);
    expect([view.addresses('a').count(4), view.addresses('ingress').count(4)]).toEqual([1, 1]);
  });
});

describe('a published port', () => {
  it('is one from 30000 when none is named, the next one for the next service', () => {
    const { view } = new FakeSwarm().write(
      ingress,
      ...service('a', { ports: [openPort, { ...openPort, TargetPort: 81 }] }),
      ...service('b', { ports: [openPort, { ...openPort, Protocol: 'udp' }] }),
    );
    expect(published(view, 'a')).toEqual([30_000, 30_001]);
    expect(published(view, 'b')).toEqual([30_002, 30_000]);
  });

  it('stays the same over updates while protocol, target and name do', () => {
    const swarm = new FakeSwarm().write(ingress, ...service('a', { ports: [openPort] }));
    const { view } = swarm;
    const other = { ...openPort, TargetPort: 81 };
    swarm.write(...updated(view, 'a', { ports: [other, openPort] }));
    expect(published(view, 'a')).toEqual([30_001, 30_000]);
    swarm.write(...updated(view, 'a', { ports: [{ ...openPort, Name: 'http' }] }));
    expect(published(view, 'a')).toEqual([30_002]);
  });

  it('that was dropped is not given again at once', () => {
    const swarm = new FakeSwarm().write(ingress, ...service('a', { ports: [openPort] }));
    swarm.write(...removed(swarm.view, 'service', 'a'));
    swarm.write(...service('b', { ports: [openPort] }));
    expect(published(swarm.view, 'b')).toEqual([30_001]);
  });

  it('that another service publishes is waited for, and the tasks say whose it is', () => {
    const swarm = new FakeSwarm().write(
      ingress,
      ...service('a', { ports: [ingressPort] }),
      ...service('b', { ports: [ingressPort] }),
      task('one', 'b'),
    );
    const { view } = swarm;
    expect(view.tasks.get('one')?.status.err).toBe(
      'port tcp/8080 is published by service a already: publish another port or remove it there',
    );
    swarm.write(...updated(view, 'a', {}));
    expect(published(view, 'b')).toEqual([8080]);
    expect(view.tasks.get('one')?.status).toMatchObject({ state: 'pending', err: '' });
  });

  it('named by a user is not given to others', () => {
    const { view } = new FakeSwarm().write(
      ingress,
      ...service('a', { ports: [{ ...ingressPort, PublishedPort: 30_000 }] }),
      ...service('b', { ports: [openPort] }),
    );
    expect(published(view, 'b')).toEqual([30_001]);
  });

  it('on the nodes themselves is not given to others, whoever was there first', () => {
    const onNode = { ...hostPort, PublishedPort: 30_000 };
    const swarm = new FakeSwarm().write(
      ingress,
      ...service('a', { ports: [openPort] }),
      ...service('b', { ports: [onNode, { ...hostPort, PublishedPort: undefined }] }),
      ...service('c', { ports: [onNode] }),
    );
    const { view } = swarm;
    expect(published(view, 'a')).toEqual([30_001]);
    swarm.write(...removed(view, 'service', 'c'), ...updated(view, 'a', {}));
    const rest = Array.from({ length: dynamicPortLast - dynamicPortFirst }, () => openPort);
    swarm.write(...service('rest', { ports: rest }));
    expect(published(view, 'rest')).toHaveLength(rest.length);
    swarm.write(...service('late', { ports: [openPort] }), task('one', 'late'));
    expect(view.tasks.get('one')?.status.err).toMatch(/^all tcp ports from/);
    swarm.write(...updated(view, 'b', {}));
    expect(published(view, 'late')).toEqual([30_000]);
  });

  it('of another protocol is another port', () => {
    const { view } = new FakeSwarm().write(
      ingress,
      ...service('a', { ports: [ingressPort] }),
      ...service('b', { ports: [{ ...ingressPort, Protocol: 'udp' }] }),
    );
    expect([published(view, 'a'), published(view, 'b')]).toEqual([[8080], [8080]]);
  });
});
