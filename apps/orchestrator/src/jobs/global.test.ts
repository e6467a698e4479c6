import { describe, expect, it } from 'vitest';
import { current, iterationOf, jobSwarm, stateCounts } from '../testing/jobs.ts';
import { nanoseconds, type SpecParts, second } from '../testing/objects.ts';

function globalJob(template: SpecParts['template'] = {}): SpecParts {
  return { template, spec: { Mode: { GlobalJob: {} } } };
}

function completed(swarm: ReturnType<typeof jobSwarm>): string[] {
  return current(swarm)
    .filter(({ status }) => status.state === 'complete')
    .map(({ nodeId }) => nodeId)
    .sort();
}

const onSsd = { Placement: { Constraints: ['node.labels.disk==ssd'] } };
const ssd = { spec: { Labels: { disk: 'ssd' }, Role: 'worker', Availability: 'active' } } as const;

describe('a global job', () => {
  it('runs once on every node that is ready and active, to completion', () => {
    const swarm = jobSwarm();
    swarm.addNodes(1, { spec: { Labels: {}, Role: 'worker', Availability: 'pause' } });
    swarm.addNodes(1, { spec: { Labels: {}, Role: 'worker', Availability: 'drain' } });
    swarm.addNodes(1, { status: { state: 'unknown', message: '', addr: '', dispatcher: '' } });
    swarm.create('job', globalJob());
    swarm.settle();
    expect(current(swarm)).toMatchObject([
      { nodeId: 'node1', slot: 0, desired: 'complete', jobIteration: 0 },
      { nodeId: 'node2', slot: 0, desired: 'complete', jobIteration: 0 },
      { nodeId: 'node3', slot: 0, desired: 'complete', jobIteration: 0 },
    ]);
    swarm.fate = () => 'finishes';
    swarm.run(30 * second);
    expect(completed(swarm)).toEqual(['node1', 'node2', 'node3']);
    expect(swarm.tasks('job')).toHaveLength(3);
  });

  it('runs only where the constraints hold, and comes when they begin to', () => {
    const swarm = jobSwarm();
    swarm.addNodes(1, ssd);
    swarm.create('job', globalJob(onSsd));
    swarm.fate = () => 'finishes';
    swarm.run(5 * second);
    expect(completed(swarm)).toEqual(['node4']);
    swarm.changeNode('node1', () => ssd);
    swarm.run(5 * second);
    expect(completed(swarm)).toEqual(['node1', 'node4']);
  });

  it('stops where the constraints cease to hold', () => {
    const swarm = jobSwarm();
    swarm.addNodes(1, ssd);
    swarm.create('job', globalJob(onSsd));
    swarm.run(5 * second);
    swarm.changeNode('node4', () => ({ spec: { ...ssd.spec, Labels: {} } }));
    swarm.run(5 * second);
    expect(stateCounts(swarm)).toEqual({ shutdown: 1 });
  });

  it('comes to nodes that join later', () => {
    const swarm = jobSwarm(globalJob());
    swarm.fate = () => 'finishes';
    swarm.run(5 * second);
    swarm.addNodes(1);
    swarm.run(5 * second);
    expect(completed(swarm)).toEqual(['node1', 'node2', 'node3', 'node4']);
  });

  it.each(['down', 'drain'] as const)(
    'on a node by %s ends there, and runs when it is back',
    (how) => {
      const swarm = jobSwarm(globalJob());
      swarm.run(5 * second);
      if (how === 'drain') swarm.drain('node2');
      else swarm.setNodeState('node2', 'down');
      swarm.fate = () => 'finishes';
      swarm.run(10 * second);
      expect(completed(swarm)).toEqual(['node1', 'node3']);
      expect(current(swarm).filter(({ nodeId }) => nodeId === 'node2')).toMatchObject([
        { desired: 'shutdown' },
      ]);
      swarm.changeNode('node2', ({ spec, status }) => ({
        spec: { ...spec, Availability: 'active' },
        status: { ...status, state: 'ready' },
      }));
      swarm.run(10 * second);
      expect(completed(swarm)).toEqual(['node1', 'node2', 'node3']);
    },
  );

  it('goes on where a node is paused, and is not tried again there until it is active', () => {
    const swarm = jobSwarm(globalJob({ RestartPolicy: { Delay: 0 } }));
    swarm.run(5 * second);
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
    swarm.run(5 * second);
    expect(stateCounts(swarm)).toEqual({ running: 3 });
    for (const task of current(swarm)) swarm.end(task, 'failed');
    swarm.fate = () => 'finishes';
    swarm.run(10 * second);
    expect(completed(swarm)).toEqual(['node2', 'node3']);
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    swarm.run(10 * second);
    expect(completed(swarm)).toEqual(['node1', 'node2', 'node3']);
  });

  it('that fails on a node is given up there after MaxAttempts', () => {
    const swarm = jobSwarm(globalJob({ RestartPolicy: { MaxAttempts: 1, Delay: 0 } }));
    swarm.fate = ({ nodeId }) => (nodeId === 'node2' ? 'fails' : 'finishes');
    swarm.run(20 * second);
    expect(stateCounts(swarm)).toEqual({ complete: 2, failed: 2 });
    swarm.stages[0]?.restart();
    swarm.run(20 * second);
    expect(stateCounts(swarm)).toEqual({ complete: 2, failed: 2 });
  });

  it('is tried again on each node after the delay, not before', () => {
    const swarm = jobSwarm(globalJob({ RestartPolicy: { Delay: 20_000 * nanoseconds } }));
    swarm.run(5 * second);
    for (const task of current(swarm)) swarm.end(task, 'failed');
    swarm.run(10 * second);
    expect(stateCounts(swarm)).toEqual({ failed: 3, ready: 3 });
    swarm.run(15 * second);
    expect(stateCounts(swarm)).toEqual({ failed: 3, running: 3 });
  });

  it('under condition none is not tried again', () => {
    const swarm = jobSwarm(globalJob({ RestartPolicy: { Condition: 'none' } }));
    swarm.fate = () => 'fails';
    swarm.run(20 * second);
    expect(stateCounts(swarm)).toEqual({ failed: 3 });
  });

  it('runs again by force, on every node, and what is left of the old run goes', () => {
    const swarm = jobSwarm(globalJob());
    swarm.run(5 * second);
    swarm.force('job');
    swarm.fate = () => 'finishes';
    swarm.run(10 * second);
    expect(iterationOf(swarm)).toBe(1);
    expect(completed(swarm)).toEqual(['node1', 'node2', 'node3']);
    expect(swarm.tasks('job')).toHaveLength(3);
  });

  it('runs again where nodes are up when one goes down at that moment', () => {
    const swarm = jobSwarm(globalJob());
    swarm.run(5 * second);
    swarm.force('job');
    swarm.setNodeState('node2', 'down');
    swarm.fate = () => 'finishes';
    swarm.run(10 * second);
    expect(current(swarm)).toHaveLength(2);
    expect(completed(swarm)).toEqual(['node1', 'node3']);
  });

  it('has nothing left of a node that is removed', () => {
    const swarm = jobSwarm(globalJob());
    swarm.fate = () => 'finishes';
    swarm.run(5 * second);
    const node = swarm.view.nodes.get('node3');
    if (node === undefined) throw new Error('no node');
    swarm.write([{ op: 'delete', table: 'node', id: 'node3', version: node.meta.version }]);
    swarm.settle();
    expect(swarm.tasks('job').map(({ nodeId }) => nodeId)).toEqual(['node1', 'node2']);
  });
});
