import type { StateView } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { FakeSwarm } from './testing/fake-swarm.ts';
import {
  container,
  moved,
  network,
  node,
  removed,
  service,
  subnet,
  task,
} from './testing/objects.ts';

function held(view: StateView): readonly string[] {
  return Array.from(
    view.attachments.values(),
    ({ id, addresses }) => `${id} ${addresses.join(' ')}`,
  );
}

const nodes = [node('n1'), node('n2')];
const web = [network('a'), ...service('web', { networks: ['a'] }), task('one', 'web')];

describe('the balancer of a node', () => {
  it('has an address in each network that a task of the node is in', () => {
    const swarm = new FakeSwarm().write(...nodes, ...web);
    expect(held(swarm.view)).toEqual([]);
    swarm.write(...moved(swarm.view, 'one', 'assigned', 'n2'));
    expect(held(swarm.view)).toEqual(['a.n2 10.0.0.4/24']);
  });

  it('gives it back when the last task has ended or is gone', () => {
    const swarm = new FakeSwarm().write(...nodes, ...web, task('two', 'web'));
    const { view } = swarm;
    swarm.write(...moved(view, 'one', 'running', 'n1'), ...moved(view, 'two', 'running', 'n1'));
    swarm.write(...moved(view, 'one', 'failed'));
    expect(held(view)).toEqual(['a.n1 10.0.0.5/24']);
    swarm.write(...removed(view, 'task', 'two'));
    expect(held(view)).toEqual([]);
    expect([...view.addresses('a').addresses()]).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('is in the ingress network on every node, whichever comes first', () => {
    const swarm = new FakeSwarm().write(node('n1'), network('ingress', { Ingress: true }));
    swarm.write(node('n2'));
    expect(held(swarm.view)).toEqual(['ingress.n1 10.0.0.2/24', 'ingress.n2 10.0.0.3/24']);
    swarm.write(...removed(swarm.view, 'node', 'n1'));
    expect(held(swarm.view)).toEqual(['ingress.n2 10.0.0.3/24']);
    swarm.write(...removed(swarm.view, 'network', 'ingress'));
    expect(held(swarm.view)).toEqual([]);
  });

  it('says why it has no address, and gets the first one that is free', () => {
    const swarm = new FakeSwarm().write(
      subnet('a', '10.1.0.0/30'),
      ...service('web', { networks: ['a'], mode: 'dnsrr' }),
      task('one', 'web'),
      node('n1'),
    );
    const { view } = swarm;
    swarm.write(...moved(view, 'one', 'running', 'n1'));
    expect(view.attachments.get('a.n1')).toMatchObject({
      addresses: [],
      problem: expect.stringMatching(/^network name of a has no free address left in 10.1.0.0\/30/),
    });
    swarm.write(...moved(view, 'one', 'failed'));
    expect(held(view)).toEqual([]);
  });
});

describe('a container run by hand', () => {
  it('gets a free address, and its node a balancer, until it is gone', () => {
    const swarm = new FakeSwarm().write(...nodes, network('a')).write(container('c', 'a', 'n1'));
    const { view } = swarm;
    expect(held(view)).toEqual(['c 10.0.0.2/24', 'a.n1 10.0.0.3/24']);
    swarm.write(...removed(view, 'attachment', 'c'));
    expect(held(view)).toEqual([]);
    expect(view.addresses('a').count(4)).toBe(1);
  });

  it('gets it with the network’s subnets', () => {
    const { view } = new FakeSwarm().write(...nodes, network('a'), container('c', 'a', 'n1'));
    expect(view.attachments.get('c')?.addresses).toEqual(['10.0.0.2/24']);
  });

  it('gets the address it asks for', () => {
    const { view } = new FakeSwarm()
      .write(
        ...nodes,
        network('a', { EnableIPv6: true, IPAM: { Configs: [{ Subnet: 'fd01::/64' }] } }),
      )
      .write(container('c', 'a', 'n1', '10.0.0.77'), container('d', 'a', 'n1', 'FD01:0::77'));
    expect(view.attachments.get('c')?.addresses).toEqual(['10.0.0.77/24', 'fd01::2/64']);
    expect(view.attachments.get('d')?.addresses).toEqual(['fd01::77/64', '10.0.0.2/24']);
  });

  it('is told when somebody has that address, and gets it when it is free', () => {
    const swarm = new FakeSwarm()
      .write(...nodes, network('a'), container('c', 'a', 'n1', '10.0.0.77'))
      .write(container('d', 'a', 'n1', '10.0.0.77'), container('e', 'a', 'n1', '10.9.9.9'));
    const { view } = swarm;
    expect(view.attachments.get('d')?.problem).toBe(
      'address 10.0.0.77 is taken in network name of a: ask for another one or for none',
    );
    expect(view.attachments.get('e')?.problem).toBe(
      'address 10.9.9.9 is no host address of network name of a: ask for another one or for none',
    );
    swarm.write(...removed(view, 'attachment', 'c'));
    expect(view.attachments.get('d')).toMatchObject({ addresses: ['10.0.0.77/24'] });
    expect(view.attachments.get('d')).not.toHaveProperty('problem');
  });

  it('goes with its node', () => {
    const swarm = new FakeSwarm().write(...nodes, network('a'), container('c', 'a', 'n1'));
    swarm.write(...removed(swarm.view, 'node', 'n1'));
    expect(held(swarm.view)).toEqual([]);
  });
});
