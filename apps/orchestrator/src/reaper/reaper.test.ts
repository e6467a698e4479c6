import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { aCluster, type SpecParts, second } from '../testing/objects.ts';
import { revisionsMax } from './revisions.ts';

function crashing(limit: number | undefined, parts: SpecParts = {}): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'fails at start' });
  if (limit !== undefined)
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(limit) }]);
  swarm.addNodes(1);
  const template = { RestartPolicy: { Delay: 0 }, ...parts.template };
  swarm.create('web', { ...parts, template });
  swarm.run(30 * second);
  return swarm;
}

describe('task history', () => {
  it.each([
    { limit: undefined, kept: 5 },
    { limit: 3, kept: 3 },
    { limit: 1, kept: 1 },
    { limit: 0, kept: 1 },
  ])('limit $limit keeps $kept tasks of a slot, the live one included', ({ limit, kept }) => {
    expect(crashing(limit).tasks('web').length).toBeLessThanOrEqual(kept + 1);
    const swarm = crashing(limit);
    swarm.fate = () => 'runs';
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    expect(swarm.tasks('web')).toHaveLength(kept);
  });

  it('a negative limit keeps all', () => {
    expect(crashing(-1).tasks('web').length).toBeGreaterThan(10);
  });

  it('a service with MaxAttempts keeps one more than that', () => {
    const swarm = crashing(2, { template: { RestartPolicy: { Delay: 0, MaxAttempts: 7 } } });
    expect(swarm.tasks('web')).toHaveLength(8);
  });

  it('never counts out a task that still stops', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(1) }]);
    swarm.addNodes(2);
    swarm.create('web');
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    const [old] = swarm.running('web');
    swarm.fate = ({ id }) => (id === old?.id ? 'will not stop' : 'runs');
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('replaced', () => swarm.running('web').some(({ id }) => id !== old?.id));
    expect(swarm.view.tasks.get(old?.id ?? '')?.status.state).toBe('running');
  });
});

describe('tasks that are to go', () => {
  it('go at once when they were never placed', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.create('web', { replicas: 3 });
    swarm.settle();
    swarm.remove('web');
    swarm.settle();
    expect(swarm.tasks('web')).toEqual([]);
  });

  it('of a service that is gone go also when the orchestrator slept meanwhile', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    swarm.create('web', { replicas: 3 });
    swarm.runUntil('running', () => swarm.running('web').length === 3);
    swarm.remove('web');
    swarm.stages[0]?.restart();
    swarm.runUntil('gone', () => swarm.tasks('web').length === 0);
    expect([...swarm.view.revisions.byService('web')]).toEqual([]);
  });
});

describe('revisions', () => {
  it('keeps the newest twenty, and those in use', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    swarm.create('web');
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    for (let label = 0; label < revisionsMax + 5; label += 1) {
      swarm.update('web', (spec) => ({ ...spec, Labels: { label: `${label}` } }));
      swarm.settle();
    }
    const numbers = [...swarm.view.revisions.byService('web')].map(({ number }) => number);
    const newest = Array.from({ length: revisionsMax }, (_, at) => at + 7);
    // The task was made from the first and is as good as new.
    expect(numbers).toEqual([1, ...newest]);
    expect(swarm.refusals).toEqual([]);
  });

  it('keeps what a person said, however many runs by schedule there were since', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'finishes' });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(2) }]);
    swarm.addNodes(1);
    const template = { RestartPolicy: { Condition: 'none' } } as const;
    const Labels = { 'swarm.cronjob.enable': 'true', 'swarm.cronjob.schedule': '* * * * *' };
    swarm.create('web', { replicas: 0, template, spec: { Labels } });
    swarm.setImage('web', 'busybox:2');
    const runs = revisionsMax + 5;
    swarm.run(runs * 60 * second);
    const { revision, previousRevision } = swarm.service('web');
    expect({ revision, previousRevision }).toEqual({ revision: 2 + runs, previousRevision: 1 });
    const numbers = [...swarm.view.revisions.byService('web')].map(({ number }) => number);
    expect(numbers).toEqual([1, 2, 1 + runs, 2 + runs]);
    expect(swarm.tasks('web').map((task) => task.revision)).toEqual([1 + runs, 2 + runs]);
    expect(swarm.refusals).toEqual([]);
  });

  it('gives no number twice: the newest stays, also after a way back from a run', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    const Labels = { 'swarm.cronjob.enable': 'true', 'swarm.cronjob.schedule': '* * * * *' };
    swarm.create('web', { replicas: 0, spec: { Labels } });
    swarm.update('web', (spec) => ({ ...spec, Labels: { ...Labels, a: '1' } }));
    swarm.run(61 * second);
    expect(swarm.service('web').revision).toBe(3);
    const quiet = { 'swarm.cronjob.enable': 'false' };
    swarm.rollBack('web', 1);
    swarm.rollBack('web', 2);
    swarm.run(20 * second);
    expect(swarm.view.revisions.of('web', 3)).toBeDefined();
    swarm.update('web', (spec) => ({ ...spec, Labels: quiet }));
    swarm.run(20 * second);
    expect(swarm.service('web').revision).toBe(4);
    expect(swarm.view.revisions.of('web', 3)).toBeUndefined();
  });

  it('keeps the one that a rollback went to', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    swarm.create('web');
    swarm.setImage('web', 'busybox:2');
    swarm.setImage('web', 'busybox:3');
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    swarm.rollBack('web', 1);
    swarm.runUntil('rolled back', () => swarm.running('web')[0]?.revision === 1);
    swarm.run(20 * second);
    for (let more = 0; more < revisionsMax + 5; more += 1) {
      swarm.update('web', (spec) => ({ ...spec, Labels: { more: `${more}` } }));
      swarm.settle();
    }
    expect(swarm.running('web')).toMatchObject([{ revision: 1 }]);
    expect(swarm.view.revisions.of('web', 1)).toBeDefined();
  });
});

describe('the history limit', () => {
  function histories(swarm: FakeSwarm, id: string): number[] {
    const slots = Map.groupBy(swarm.tasks(id), (task) => task.slot || task.nodeId);
    return [...slots.values()].map((tasks) => tasks.length);
  }

  it.each([0, 1, 2])('holds for each node of a global service: %i', (limit) => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'fails at start' });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(limit) }]);
    swarm.addNodes(3);
    swarm.create('agent', { global: true, template: { RestartPolicy: { Delay: 0 } } });
    swarm.run(20 * second);
    swarm.fate = () => 'runs';
    swarm.runUntil('running', () => swarm.running('agent').length === 3);
    expect(histories(swarm, 'agent')).toEqual(Array(3).fill(Math.max(1, limit)));
  });

  it('leaves nothing of slots and nodes that are gone', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'fails at start' });
    swarm.addNodes(2);
    const template = { RestartPolicy: { Delay: 0 } };
    swarm.create('web', { replicas: 4, template });
    swarm.create('agent', { global: true, template });
    swarm.run(10 * second);
    swarm.scale('web', 1);
    swarm.setNodeState('node2', 'down');
    swarm.settle();
    const changes = [...swarm.view.tasks.byNode('node2')].map((task) => ({
      op: 'update' as const,
      table: 'task' as const,
      object: { ...task, status: { ...task.status, state: 'orphaned' as const } },
    }));
    const version = swarm.view.nodes.get('node2')?.meta.version ?? swarm.view.index;
    swarm.write([...changes, { op: 'delete', table: 'node', id: 'node2', version }]);
    swarm.fate = () => 'runs';
    swarm.run(20 * second);
    expect(new Set(swarm.tasks('web').map(({ slot }) => slot))).toEqual(new Set([1]));
    expect(new Set(swarm.tasks('agent').map(({ nodeId }) => nodeId))).toEqual(new Set(['node1']));
  });

  it('holds at once when it is lowered', () => {
    const swarm = crashing(5);
    swarm.fate = () => 'runs';
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    expect(swarm.tasks('web')).toHaveLength(5);
    const [cluster] = [swarm.view.cluster];
    if (cluster === undefined) throw new Error('no cluster');
    const Orchestration = { TaskHistoryRetentionLimit: 2 };
    const object = { ...cluster, spec: { ...cluster.spec, Orchestration } };
    swarm.write([{ op: 'update', table: 'cluster', object }]);
    swarm.settle();
    expect(swarm.tasks('web')).toHaveLength(2);
  });

  it('does not forget that a task ended and is not to be restarted', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'finishes' });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(0) }]);
    swarm.addNodes(1);
    swarm.create('once', { template: { RestartPolicy: { Condition: 'none' } } });
    swarm.run(30 * second);
    expect(swarm.tasks('once')).toMatchObject([{ status: { state: 'complete' } }]);
  });
});

describe('which tasks may be deleted', () => {
  it.each([
    { state: 'new', desired: 'shutdown', deleted: true },
    { state: 'pending', desired: 'shutdown', deleted: true },
    { state: 'assigned', desired: 'shutdown', deleted: false },
    { state: 'accepted', desired: 'shutdown', deleted: false },
    { state: 'preparing', desired: 'shutdown', deleted: false },
    { state: 'ready', desired: 'shutdown', deleted: false },
    { state: 'starting', desired: 'shutdown', deleted: false },
    { state: 'running', desired: 'shutdown', deleted: false },
    { state: 'complete', desired: 'shutdown', deleted: true },
    { state: 'shutdown', desired: 'shutdown', deleted: true },
    { state: 'failed', desired: 'shutdown', deleted: true },
    { state: 'rejected', desired: 'shutdown', deleted: true },
    { state: 'orphaned', desired: 'shutdown', deleted: true },
    { state: 'new', desired: 'remove', deleted: true },
    { state: 'running', desired: 'remove', deleted: false },
    { state: 'failed', desired: 'remove', deleted: true },
  ] as const)('$state and to $desired, beyond the limit: $deleted', (row) => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(1) }]);
    swarm.addNodes(1);
    swarm.create('web');
    swarm.settle();
    const [live] = swarm.tasks('web');
    if (live === undefined) throw new Error('no task');
    const nodeId = row.state === 'new' || row.state === 'pending' ? '' : 'node1';
    const status = { ...live.status, state: row.state };
    const older = { ...live, id: 'older', nodeId, status, desired: row.desired };
    swarm.write([
      { op: 'delete', table: 'task', id: live.id, version: live.meta.version },
      { op: 'create', table: 'task', object: older },
      { op: 'create', table: 'task', object: { ...live, id: 'newer' } },
    ]);
    swarm.settle();
    expect(swarm.view.tasks.get('older') === undefined).toBe(row.deleted);
    expect(swarm.view.tasks.get('newer')).toBeDefined();
  });
});
