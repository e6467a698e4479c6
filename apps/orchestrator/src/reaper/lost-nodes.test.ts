import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { second } from '../testing/objects.ts';
import { orphanedAfterMs } from './lost-nodes.ts';

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
