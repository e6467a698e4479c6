import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { aCluster, type SpecParts, second } from '../testing/objects.ts';

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
  it('keeps the newest ten, and those in use', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    swarm.create('web');
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    for (let label = 0; label < 15; label += 1) {
      swarm.update('web', (spec) => ({ ...spec, Labels: { label: `${label}` } }));
      swarm.settle();
    }
    const numbers = [...swarm.view.revisions.byService('web')].map(({ number }) => number);
    // The task was made from the first and is as good as new.
    expect(numbers).toEqual([1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    expect(swarm.refusals).toEqual([]);
  });
});
