import type { StateView } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createAllocator, sharedKey } from './allocator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';
import {
  container,
  hostPort,
  ingressPort,
  moved,
  network,
  node,
  now,
  openPort,
  removed,
  service,
  subnet,
  task,
} from './testing/objects.ts';

function addressesOf(view: StateView, id: string): readonly string[] {
  return (view.tasks.get(id)?.networks ?? []).map(
    ({ networkId, addresses }) => `${networkId} ${addresses.join(' ')}`,
  );
}

const ingress = network('ingress', { Ingress: true });

describe('a new task', () => {
  it('becomes pending once its service has its endpoint', () => {
    const { view } = new FakeSwarm().write(...service('web'), task('one', 'web'));
    expect(view.tasks.get('one')?.status).toEqual({
      state: 'pending',
      at: now,
      message: 'pending task scheduling',
      err: '',
    });
  });

  it('gets an address in each network with the state that needs it', () => {
    const { view } = new FakeSwarm().write(
      ingress,
      network('a'),
      ...service('web', { networks: ['a'], ports: [ingressPort] }),
      task('one', 'web'),
      task('two', 'web'),
    );
    expect(addressesOf(view, 'one')).toEqual(['a 10.0.1.3/24', 'ingress 10.0.0.3/24']);
    expect(addressesOf(view, 'two')).toEqual(['a 10.0.1.4/24', 'ingress 10.0.0.4/24']);
    expect(view.tasks.get('two')?.status.state).toBe('pending');
  });

  it('keeps its addresses until it has ended', () => {
    const swarm = new FakeSwarm().write(
      network('a'),
      ...service('web', { networks: ['a'] }),
      task('one', 'web'),
    );
    const { view } = swarm;
    swarm.write(...moved(view, 'one', 'running', ''));
    expect(view.addresses('a').holder('10.0.0.3')).toEqual({ table: 'task', id: 'one' });
    swarm.write(...moved(view, 'one', 'shutdown'));
    expect(view.addresses('a').holder('10.0.0.3')).toBeUndefined();
    expect(addressesOf(view, 'one')).toEqual(['a 10.0.0.3/24']);
  });

  it('does not get the address that another has just left', () => {
    const swarm = new FakeSwarm().write(
      network('a'),
      ...service('web', { networks: ['a'] }),
      task('one', 'web'),
    );
    swarm.write(...removed(swarm.view, 'task', 'one'), task('two', 'web'));
    expect(addressesOf(swarm.view, 'two')).toEqual(['a 10.0.0.4/24']);
  });

  it('gets an address that became free once all others have had their turn', () => {
    const swarm = new FakeSwarm().write(
      subnet('a', '10.1.0.0/29'),
      ...service('web', { networks: ['a'] }),
      ...['one', 'two', 'three'].map((id) => task(id, 'web')),
    );
    swarm.write(...removed(swarm.view, 'task', 'one'));
    swarm.write(task('four', 'web'));
    swarm.write(task('five', 'web'));
    expect(addressesOf(swarm.view, 'four')).toEqual(['a 10.1.0.6/29']);
    expect(addressesOf(swarm.view, 'five')).toEqual(['a 10.1.0.3/29']);
  });

  it('names the network and the subnet that are full, and goes on when an address is free', () => {
    const swarm = new FakeSwarm().write(
      subnet('a', '10.1.0.0/29'),
      ...service('web', { networks: ['a'] }),
      ...['1', '2', '3', '4', '5', '6'].map((id) => task(id, 'web')),
    );
    const { view } = swarm;
    for (const id of ['5', '6'])
      expect(view.tasks.get(id)?.status).toMatchObject({
        state: 'new',
        err: 'network name of a has no free address left in 10.1.0.0/29: remove tasks or services that use it, or move to a network with a larger --subnet',
      });
    swarm.write(...moved(view, '1', 'failed'));
    expect(view.tasks.get('5')?.status).toMatchObject({ state: 'pending', err: '' });
    expect(view.tasks.get('6')?.status.state).toBe('new');
    swarm.write(...removed(view, 'task', '2'));
    expect(view.tasks.get('6')?.status).toMatchObject({ state: 'pending', err: '' });
  });

  it('takes nothing while one of its networks is full', () => {
    const { view } = new FakeSwarm().write(
      subnet('small', '10.1.0.0/30'),
      network('a'),
      ...service('web', { networks: ['a', 'small'], mode: 'dnsrr' }),
      task('one', 'web'),
      task('two', 'web'),
    );
    expect(view.tasks.get('two')?.status.state).toBe('new');
    expect(view.addresses('a').count(4)).toBe(2);
  });

  it('that is called off before it got further ends here', () => {
    const { view } = new FakeSwarm().write(
      ...service('web'),
      task('one', 'web', { desired: 'shutdown' }),
    );
    expect(view.tasks.get('one')?.status).toMatchObject({ state: 'shutdown', err: '' });
  });

  it('that is called off while it waits for the network ends too', () => {
    const { view } = new FakeSwarm().write(
      ...service('web', { ports: [ingressPort] }),
      task('one', 'web', { desired: 'shutdown' }),
    );
    expect(view.tasks.get('one')?.status.state).toBe('shutdown');
  });

  it('that is to be removed stays as it is', () => {
    const { view } = new FakeSwarm().write(
      ...service('web'),
      task('one', 'web', { desired: 'remove' }),
    );
    expect(view.tasks.get('one')?.status.state).toBe('new');
  });
});

describe('where addresses are few', () => {
  it('some are kept for the balancers of nodes that have none yet', () => {
    const swarm = new FakeSwarm().write(
      node('n1'),
      subnet('a', '10.1.0.0/29'),
      ...service('web', { networks: ['a'] }),
      ...['1', '2', '3', '4'].map((id) => task(id, 'web')),
    );
    const { view } = swarm;
    expect(view.tasks.get('3')?.status.state).toBe('pending');
    expect(view.tasks.get('4')?.status.state).toBe('new');
    swarm.write(...moved(view, '1', 'assigned', 'n1'));
    expect(view.attachments.get('a.n1')?.addresses).toEqual(['10.1.0.6/29']);
    expect(view.tasks.get('4')?.status.state).toBe('new');
    swarm.write(...moved(view, '1', 'failed'), ...removed(view, 'node', 'n1'));
    expect(view.tasks.get('4')?.status.state).toBe('pending');
  });
});

describe('an answer that came too late', () => {
  it('is given again on the state as it is now', () => {
    const swarm = new FakeSwarm().write(
      node('n1'),
      network('a'),
      ...service('web', { networks: ['a'] }),
    );
    const { view } = swarm;
    swarm.between = () => [container('c', 'a', 'n1', undefined, '10.0.0.3/24')];
    swarm.write(task('one', 'web'));
    expect(view.attachments.get('c')?.addresses).toEqual(['10.0.0.3/24']);
    expect(addressesOf(view, 'one')).toEqual(['a 10.0.0.5/24']);
  });
});

describe('replicas of the allocator', () => {
  /** Keys of what a replica decides that owns the keys for which `mine` is true. */
  function decided(mine: (key: string) => boolean): readonly string[] {
    const { view } = new FakeSwarm({ name: 'allocator', step: () => [] }).write(
      network('a'),
      ...service('joined', { networks: ['a'] }),
      ...service('open', { ports: [openPort] }),
      ...service('alone', { ports: [hostPort] }),
    );
    const everything = { everything: true, changes: [], due: new Set<string>() };
    const decisions = createAllocator().step(view, everything, now, mine);
    return [...decisions].map(({ key }) => key);
  }

  it('leave to one what shares addresses or ports, and share the rest', () => {
    expect(decided((key) => key === sharedKey)).toEqual(['a']);
    expect(decided((key) => key === 'alone')).toEqual(['alone']);
    expect(decided((key) => key === 'joined' || key === 'open' || key === 'a')).toEqual([]);
  });
});
