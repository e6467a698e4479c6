import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { type SpecParts, second } from '../testing/objects.ts';

function swarmWith(parts: SpecParts = {}): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(3);
  swarm.create('agent', { global: true, ...parts });
  swarm.run(2 * second);
  return swarm;
}

function nodes(swarm: FakeSwarm): string[] {
  return swarm
    .running('agent')
    .map(({ nodeId }) => nodeId)
    .sort();
}

describe('global services', () => {
  it('run one task on each node, in slot 0', () => {
    const swarm = swarmWith();
    expect(nodes(swarm)).toEqual(['node1', 'node2', 'node3']);
    expect(new Set(swarm.tasks('agent').map(({ slot }) => slot))).toEqual(new Set([0]));
  });

  it('come to nodes that join', () => {
    const swarm = swarmWith();
    swarm.addNodes(1);
    swarm.runUntil('four', () => nodes(swarm).length === 4);
  });

  it.each(['drain', 'down'] as const)('leave a node on %s and come back after', (how) => {
    const swarm = swarmWith();
    if (how === 'drain') swarm.drain('node2');
    else swarm.setNodeState('node2', 'down');
    swarm.run(10 * second);
    expect(swarm.live('agent').map(({ nodeId }) => nodeId)).toEqual(['node1', 'node3']);
    swarm.changeNode('node2', ({ spec, status }) => ({
      spec: { ...spec, Availability: 'active' },
      status: { ...status, state: 'ready' },
    }));
    swarm.runUntil('back', () => nodes(swarm).length === 3);
  });

  it('stay on a paused node, and are not restarted there', () => {
    const swarm = swarmWith();
    swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    swarm.run(5 * second);
    expect(nodes(swarm)).toHaveLength(3);
  });

  it('restart on the same node', () => {
    const swarm = swarmWith();
    const [task] = swarm.running('agent');
    if (task === undefined) throw new Error('nothing runs');
    swarm.end(task);
    swarm.runUntil('restarted', () => nodes(swarm).length === 3);
    expect(nodes(swarm)).toEqual(['node1', 'node2', 'node3']);
  });

  it('run only where the constraints hold, also after labels change', () => {
    const Placement = { Constraints: ['node.labels.disk==ssd'] };
    const swarm = swarmWith({ template: { Placement } });
    expect(nodes(swarm)).toEqual([]);
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Labels: { disk: 'ssd' } } }));
    swarm.runUntil('one', () => nodes(swarm).length === 1);
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Labels: {} } }));
    swarm.runUntil('none', () => nodes(swarm).length === 0);
  });

  it('are updated one node after the other', () => {
    const swarm = swarmWith();
    swarm.setImage('agent', 'busybox:2');
    let fewest = 3;
    swarm.runUntil('completed', () => {
      fewest = Math.min(fewest, nodes(swarm).length);
      return swarm.service('agent').updateStatus?.state === 'completed';
    });
    expect(fewest).toBe(2);
    expect(swarm.running('agent').every(({ revision }) => revision === 2)).toBe(true);
  });

  it('go with their service', () => {
    const swarm = swarmWith();
    swarm.remove('agent');
    swarm.runUntil('gone', () => swarm.tasks('agent').length === 0);
  });
});
