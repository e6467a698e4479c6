import { newMeta } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { second } from '../testing/objects.ts';
import { orphanedAfterMs } from './lost-nodes.ts';

const networkSpec = {
  Labels: {},
  Driver: 'overlay',
  Internal: false,
  Attachable: true,
  Ingress: false,
  Predefined: false,
};

const subnets = [
  { subnet: '10.1.0.0/24', gateway: '10.1.0.1', vni: 5000 },
  { subnet: 'fd00::/64', gateway: 'fd00::1', vni: 5000 },
];

/** A replicated and a global service on two nodes, of which node1 went down just now. */
function lost(): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(2);
  swarm.create('web', { replicas: 2 });
  swarm.create('agent', { global: true });
  swarm.runUntil('running', () => states(swarm, 'node1') === 'running running');
  swarm.setNodeState('node1', 'down');
  return swarm;
}

function states(swarm: FakeSwarm, nodeId: string): string {
  return Array.from(swarm.view.tasks.byNode(nodeId), ({ status }) => status.state).join(' ');
}

/** A container run by hand. */
function attach(
  swarm: FakeSwarm,
  id: string,
  nodeId: string,
  addresses: readonly string[] = [],
): void {
  const spec = { ...networkSpec, Name: 'net', EnableIPv6: true };
  const allocation = { at: swarm.now, subnets };
  const network = { id: 'net', meta: newMeta, spec, allocation };
  if (swarm.view.networks.get('net') === undefined)
    swarm.write([{ op: 'create', table: 'network', object: network }]);
  const place = { networkId: 'net', nodeId, kind: 'container', addresses } as const;
  swarm.write([{ op: 'create', table: 'attachment', object: { id, meta: newMeta, ...place } }]);
}

/** Nothing but the clock moves. */
function wait(swarm: FakeSwarm, ms: number): void {
  swarm.now = (swarm.now + ms) as typeof swarm.now;
  swarm.settle();
}

describe('a node that is down', () => {
  it('has its tasks given up after 24 hours, replacements elsewhere or none', () => {
    const swarm = lost();
    swarm.run(20 * second);
    wait(swarm, orphanedAfterMs - 21 * second);
    expect(states(swarm, 'node1')).toBe('running running');
    wait(swarm, second);
    expect(states(swarm, 'node1')).toBe('orphaned orphaned');
    expect(swarm.view.usage('node1').tasks).toBe(0);
    expect(swarm.running('web').map(({ nodeId }) => nodeId)).toEqual(['node2', 'node2']);
    swarm.run(60 * second);
    expect(swarm.live('agent').map(({ nodeId }) => nodeId)).toEqual(['node2']);
    expect(swarm.refusals).toEqual([]);
  });

  it('has its containers that were run by hand given up too, and what comes late', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(2);
    attach(swarm, 'one', 'node1');
    attach(swarm, 'other', 'node2');
    swarm.setNodeState('node1', 'down');
    swarm.settle();
    wait(swarm, orphanedAfterMs - second);
    expect([...swarm.view.attachments.values()].map(({ id }) => id)).toEqual(['one', 'other']);
    wait(swarm, second);
    expect([...swarm.view.attachments.values()].map(({ id }) => id)).toEqual(['other']);
    attach(swarm, 'late', 'node1');
    swarm.settle();
    expect([...swarm.view.attachments.values()].map(({ id }) => id)).toEqual(['other']);
    expect(swarm.refusals).toEqual([]);
  });

  it.each([
    { what: 'one address is given up', addresses: ['10.1.0.5/24'], left: [] },
    {
      what: 'two, which cannot be asked for again, stays',
      addresses: ['10.1.0.5/24', 'fd00::5/64'],
      left: ['one'],
    },
  ])('a container with $what', ({ addresses, left }) => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    attach(swarm, 'one', 'node1', addresses);
    swarm.setNodeState('node1', 'down');
    wait(swarm, orphanedAfterMs);
    expect([...swarm.view.attachments.values()].map(({ id }) => id)).toEqual(left);
    expect(swarm.refusals).toEqual([]);
  });

  it('is given up whoever looks at it, from what the state says', () => {
    const swarm = lost();
    swarm.now = (swarm.now + orphanedAfterMs) as typeof swarm.now;
    swarm.stages[0]?.restart();
    swarm.settle();
    expect(states(swarm, 'node1')).toBe('orphaned orphaned');
    swarm.runUntil('elsewhere', () => swarm.running('web').length === 2);
  });

  it('has tasks of services that are gone deleted then', () => {
    const swarm = lost();
    swarm.remove('web');
    swarm.remove('agent');
    swarm.run(second);
    expect(states(swarm, 'node1')).toBe('running running');
    wait(swarm, orphanedAfterMs);
    expect(states(swarm, 'node1')).toBe('');
    expect([...swarm.view.revisions.values()]).toEqual([]);
  });

  it('keeps its tasks when it comes back in time, and counts anew when it goes again', () => {
    const swarm = lost();
    swarm.fate = () => 'will not stop';
    wait(swarm, orphanedAfterMs - second);
    swarm.setNodeState('node1', 'ready');
    wait(swarm, second);
    swarm.setNodeState('node1', 'down');
    wait(swarm, orphanedAfterMs - second);
    expect(states(swarm, 'node1')).toContain('running running');
    wait(swarm, second);
    expect(states(swarm, 'node1')).not.toContain('running');
  });

  it('has a task given up that it was given afterwards', () => {
    const swarm = lost();
    wait(swarm, orphanedAfterMs);
    swarm.create('late');
    swarm.settle();
    const [task] = swarm.tasks('late');
    if (task === undefined) throw new Error('no task');
    const status = { ...task.status, state: 'assigned' } as const;
    swarm.write([{ op: 'update', table: 'task', object: { ...task, nodeId: 'node1', status } }]);
    swarm.settle();
    expect(swarm.task(task.id).status.state).toBe('orphaned');
    swarm.runUntil('elsewhere', () => swarm.running('late').length === 1);
  });
});
