import type { Task } from '@shoal/state';
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

/** Of the second revision, on the node that was away. */
function isAnew({ nodeId, revision }: Task): boolean {
  return nodeId === 'node2' && revision === 2;
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

  it.each(
    (['drain', 'down'] as const).flatMap((how) =>
      (['stop-first', 'start-first'] as const).map((Order) => ({ how, Order })),
    ),
  )('come back with one task after $how, having missed an update, $Order', ({ how, Order }) => {
    const swarm = swarmWith({ spec: { UpdateConfig: { Parallelism: 1, Order } } });
    if (how === 'drain') swarm.drain('node2');
    else swarm.setNodeState('node2', 'down');
    swarm.run(10 * second);
    swarm.setImage('agent', 'busybox:2');
    swarm.run(60 * second);
    swarm.changeNode('node2', ({ spec, status }) => ({
      spec: { ...spec, Availability: 'active' },
      status: { ...status, state: 'ready' },
    }));
    swarm.settle();
    expect(swarm.tasks('agent').filter(isAnew)).toHaveLength(1);
    swarm.runUntil('back', () => nodes(swarm).length === 3);
    swarm.run(10 * second);
    expect(swarm.tasks('agent').filter(isAnew)).toHaveLength(1);
  });

  it('come back to a node once their old task there has stopped', () => {
    const swarm = swarmWith();
    const old = swarm.running('agent').find(({ nodeId }) => nodeId === 'node2');
    swarm.fate = ({ id }) => (id === old?.id ? 'will not stop' : 'runs');
    swarm.drain('node2');
    swarm.run(second);
    swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    swarm.run(5 * second);
    const there = swarm.tasks('agent').filter(({ nodeId }) => nodeId === 'node2');
    expect(there.map(({ status }) => status.state)).toEqual(['running', 'ready']);
    swarm.fate = () => 'runs';
    swarm.runUntil('back', () => nodes(swarm).length === 3, second);
    expect(swarm.refusals).toEqual([]);
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

  it('are not restarted on a paused node', () => {
    const swarm = swarmWith();
    swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    const [task] = swarm.running('agent').filter(({ nodeId }) => nodeId === 'node2');
    if (task === undefined) throw new Error('nothing runs');
    swarm.end(task);
    swarm.run(10 * second);
    expect(nodes(swarm)).toEqual(['node1', 'node3']);
    swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    swarm.runUntil('restarted', () => nodes(swarm).length === 3);
  });

  it('finish on a paused node what was begun there', () => {
    const UpdateConfig = { Parallelism: 0, Order: 'start-first' } as const;
    const swarm = swarmWith({ spec: { UpdateConfig } });
    swarm.setImage('agent', 'busybox:2');
    swarm.settle();
    swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    swarm.run(10 * second);
    expect(swarm.running('agent').map(({ revision }) => revision)).toEqual([2, 2, 2]);
  });

  it('have their task made again where it was deleted', () => {
    const swarm = swarmWith();
    const [task] = swarm.running('agent');
    if (task === undefined) throw new Error('nothing runs');
    swarm.write([{ op: 'delete', table: 'task', id: task.id, version: task.meta.version }]);
    swarm.runUntil('again', () => nodes(swarm).length === 3);
  });

  it('leave nothing of a node that was removed', () => {
    const swarm = swarmWith();
    swarm.setNodeState('node3', 'down');
    swarm.settle();
    const changes = [...swarm.view.tasks.byNode('node3')].map((task) => ({
      op: 'update' as const,
      table: 'task' as const,
      object: { ...task, status: { ...task.status, state: 'orphaned' as const } },
    }));
    const version = swarm.view.nodes.get('node3')?.meta.version ?? swarm.view.index;
    swarm.write([...changes, { op: 'delete', table: 'node', id: 'node3', version }]);
    swarm.settle();
    expect(swarm.tasks('agent').map(({ nodeId }) => nodeId)).toEqual(['node1', 'node2']);
  });

  it('of several services come to a new node together', () => {
    const swarm = swarmWith();
    swarm.create('second', { global: true });
    swarm.addNodes(1);
    swarm.runUntil('both', () =>
      ['agent', 'second'].every((id) => swarm.running(id).some(({ nodeId }) => nodeId === 'node4')),
    );
  });

  it('give up on a node after MaxAttempts, and count for each node alone', () => {
    const RestartPolicy = { Delay: 0, MaxAttempts: 2 };
    const swarm = swarmWith({ template: { RestartPolicy } });
    swarm.fate = ({ nodeId }) => (nodeId === 'node2' ? 'fails at start' : 'runs');
    for (const task of swarm.running('agent')) swarm.end(task);
    swarm.run(20 * second);
    expect(nodes(swarm)).toEqual(['node1', 'node3']);
    expect(swarm.tasks('agent').filter(({ nodeId }) => nodeId === 'node2')).toHaveLength(3);
  });
});

describe('an orchestrator that starts', () => {
  /** What another one left: the tasks are written by hand, then it is started. */
  function started(change: (swarm: FakeSwarm) => void): FakeSwarm {
    const swarm = swarmWith();
    change(swarm);
    swarm.stages[0]?.restart();
    swarm.run(10 * second);
    return swarm;
  }

  it.each(['failed', 'rejected', 'complete'] as const)('restarts tasks that are %s', (state) => {
    const swarm = started((it) => {
      for (const task of it.running('agent')) it.end(task, state);
    });
    expect(nodes(swarm)).toEqual(['node1', 'node2', 'node3']);
  });

  it.each(['drain', 'down'] as const)('stops tasks on nodes on %s', (how) => {
    const swarm = started((it) => {
      if (how === 'drain') it.drain('node2');
      else it.setNodeState('node2', 'down');
    });
    expect(swarm.live('agent').map(({ nodeId }) => nodeId)).toEqual(['node1', 'node3']);
  });

  it('stops one of two tasks on a node', () => {
    const swarm = started((it) => {
      const [task] = it.running('agent');
      if (task !== undefined)
        it.write([{ op: 'create', table: 'task', object: { ...task, id: 'extra' } }]);
    });
    expect(nodes(swarm)).toEqual(['node1', 'node2', 'node3']);
  });

  it('removes tasks of services that are gone', () => {
    const swarm = started((it) => it.remove('agent'));
    expect(swarm.tasks('agent')).toEqual([]);
  });
});
