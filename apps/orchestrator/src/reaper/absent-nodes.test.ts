import { type Cluster, removeAfterLabel } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { aCluster, second } from '../testing/objects.ts';
import { settlingMs } from './absent-nodes.ts';

const day = 86_400 * second;

/** Two workers and a manager, of which each node given is down since now. */
function swarmWith(removeAfter: string | undefined, ...down: readonly string[]): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(2);
  swarm.addNodes(1, {
    role: 'manager',
    spec: { Labels: {}, Role: 'manager', Availability: 'active' },
  });
  swarm.write([{ op: 'create', table: 'cluster', object: aCluster(5) }]);
  if (removeAfter !== undefined) set(swarm, removeAfter);
  swarm.create('web', { replicas: 3 });
  swarm.runUntil('running', () => swarm.running('web').length === 3);
  for (const id of down) swarm.setNodeState(id, 'down');
  swarm.settle();
  return swarm;
}

function set(swarm: FakeSwarm, removeAfter: string): void {
  const { cluster } = swarm.view;
  if (cluster === undefined) throw new Error('no cluster');
  const spec = { ...cluster.spec, Labels: { [removeAfterLabel]: removeAfter } };
  const object: Cluster = { ...cluster, spec };
  swarm.write([{ op: 'update', table: 'cluster', object }]);
}

const nodes = (swarm: FakeSwarm): string =>
  Array.from(swarm.view.nodes.values(), ({ id }) => id).join(' ');

/** Nothing but the clock moves. */
function wait(swarm: FakeSwarm, ms: number): void {
  swarm.now = (swarm.now + ms) as typeof swarm.now;
  swarm.settle();
}

describe('a worker that stays down', () => {
  it('is removed after the time that is set, with what it had', () => {
    const swarm = swarmWith('72h', 'node1');
    wait(swarm, 3 * day - second);
    expect(nodes(swarm)).toBe('node1 node2 node3');
    wait(swarm, second);
    expect(nodes(swarm)).toBe('node2 node3');
    expect(Object.keys(swarm.view.cluster?.removedNodes ?? {})).toEqual(['node1']);
    swarm.runUntil('elsewhere', () => swarm.running('web').length === 3);
    expect(swarm.running('web').some(({ nodeId }) => nodeId === 'node1')).toBe(false);
    expect(swarm.refusals).toEqual([]);
  });

  it('has what it had given up after 24 hours all the same', () => {
    const swarm = swarmWith('72h', 'node1');
    wait(swarm, day);
    const held = Array.from(swarm.view.tasks.byNode('node1'), ({ status }) => status.state);
    expect(held).toEqual(['orphaned']);
    expect(nodes(swarm)).toBe('node1 node2 node3');
    wait(swarm, 2 * day);
    expect(nodes(swarm)).toBe('node2 node3');
    expect(swarm.refusals).toEqual([]);
  });

  it('is removed long before what it had would be given up, where that is set', () => {
    const swarm = swarmWith('1h', 'node1');
    wait(swarm, 3_600 * second);
    expect(nodes(swarm)).toBe('node2 node3');
    expect(swarm.refusals).toEqual([]);
  });

  it.each([
    ['nothing is set', undefined],
    ['what is set cannot be read', 'soon'],
  ])('stays where %s', (_what, removeAfter) => {
    const swarm = swarmWith(removeAfter, 'node1');
    wait(swarm, 1_000 * day);
    expect(nodes(swarm)).toBe('node1 node2 node3');
  });

  it('stays when it comes back in time, and its time begins anew when it goes again', () => {
    const swarm = swarmWith('72h', 'node1');
    wait(swarm, 2 * day);
    swarm.setNodeState('node1', 'ready');
    wait(swarm, 2 * day);
    swarm.setNodeState('node1', 'down');
    wait(swarm, 2 * day);
    expect(nodes(swarm)).toBe('node1 node2 node3');
    wait(swarm, day);
    expect(nodes(swarm)).toBe('node2 node3');
  });

  it('is removed once a shorter time is set, and not by one that is taken back', () => {
    const swarm = swarmWith(undefined, 'node1');
    wait(swarm, 2 * day);
    set(swarm, '72h');
    swarm.settle();
    expect(nodes(swarm)).toBe('node1 node2 node3');
    set(swarm, '24h');
    swarm.settle();
    expect(nodes(swarm)).toBe('node2 node3');
  });

  it('has time to come up with managers that were off as well', () => {
    const swarm = swarmWith('1h', 'node1');
    swarm.now = (swarm.now + 30 * day) as typeof swarm.now;
    swarm.stages[0]?.restart();
    swarm.settle();
    expect(nodes(swarm)).toBe('node1 node2 node3');
    wait(swarm, settlingMs - second);
    expect(nodes(swarm)).toBe('node1 node2 node3');
    wait(swarm, second);
    expect(nodes(swarm)).toBe('node2 node3');
  });
});

describe('who is not removed', () => {
  it('a manager, nor a worker that is about to be one', () => {
    const swarm = swarmWith('1h', 'node2', 'node3');
    swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Role: 'manager' } }));
    wait(swarm, 1_000 * day);
    expect(nodes(swarm)).toBe('node1 node2 node3');
  });

  it.each(['ready', 'unknown', 'disconnected'] as const)('a worker that is %s', (state) => {
    const swarm = swarmWith('1h');
    swarm.setNodeState('node1', state);
    wait(swarm, 1_000 * day);
    expect(nodes(swarm)).toBe('node1 node2 node3');
  });
});
