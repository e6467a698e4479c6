import { describe, expect, it } from 'vitest';
import { createOrchestrator } from './orchestrator.ts';
import { FakeSwarm } from './testing/fake-swarm.ts';

function swarm(nodes = 3): FakeSwarm {
  const it = new FakeSwarm({ stages: [createOrchestrator] });
  it.addNodes(nodes);
  return it;
}

describe('replicated services', () => {
  it('creates tasks in the lowest slots, for the scheduler and to be run', () => {
    const it = swarm();
    it.create('web', { replicas: 3 });
    it.settle();
    const tasks = it.tasks('web');
    expect(tasks.map(({ slot }) => slot)).toEqual([1, 2, 3]);
    for (const { desired, status, revision } of tasks)
      expect({ desired, status, revision }).toEqual({
        desired: 'running',
        status: { state: 'pending', at: it.now, message: 'pending task scheduling', err: '' },
        revision: 1,
      });
  });

  it('creates tasks with ports for the allocator', () => {
    const it = swarm();
    const port = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' } as const;
    it.create('web', { spec: { EndpointSpec: { Mode: 'vip', Ports: [port] } } });
    it.settle();
    expect(it.tasks('web')).toMatchObject([{ status: { state: 'new', message: 'created' } }]);
  });

  it('creates a thousand tasks in a few transactions', () => {
    const it = swarm();
    it.create('web', { replicas: 1_000 });
    it.settle();
    expect(it.tasks('web')).toHaveLength(1_000);
    expect(it.reasons).toHaveLength(5);
  });

  it('removes tasks, revisions and history of a removed service once they have stopped', () => {
    const it = swarm();
    it.create('web', { replicas: 3 });
    it.runUntil('running', () => it.running('web').length === 3);
    it.remove('web');
    it.settle();
    expect(it.tasks('web').map(({ desired }) => desired)).toEqual(['remove', 'remove', 'remove']);
    it.runUntil('gone', () => it.tasks('web').length === 0);
    expect([...it.view.revisions.byService('web')]).toEqual([]);
    expect(it.refusals).toEqual([]);
  });

  it('makes a deleted task again', () => {
    const it = swarm();
    it.create('web', { replicas: 2 });
    it.settle();
    const [task] = it.tasks('web');
    if (task === undefined) throw new Error('no task');
    it.write([{ op: 'delete', table: 'task', id: task.id, version: task.meta.version }]);
    it.settle();
    expect(
      it
        .tasks('web')
        .map(({ slot }) => slot)
        .sort(),
    ).toEqual([1, 2]);
  });
});
