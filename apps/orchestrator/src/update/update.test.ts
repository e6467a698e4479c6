import type { UpdateConfig } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { nanoseconds, type SpecParts, second } from '../testing/objects.ts';

const bad = 'busybox:bad';

function running(config: Partial<UpdateConfig> = {}, parts: SpecParts = {}): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(3);
  const UpdateConfig = { Parallelism: 1, ...config };
  const replicas = parts.replicas ?? 4;
  swarm.create('web', { ...parts, replicas, spec: { UpdateConfig, ...parts.spec } });
  swarm.runUntil('running', () => swarm.running('web').length === replicas);
  swarm.fate = ({ revision, serviceId }) => {
    const image = swarm.view.revisions.of(serviceId, revision)?.spec.TaskTemplate.ContainerSpec
      .Image;
    return image === bad ? 'fails at start' : 'runs';
  };
  return swarm;
}

function state(swarm: FakeSwarm) {
  return swarm.service('web').updateStatus?.state;
}

function updated(swarm: FakeSwarm) {
  return swarm.running('web').filter((task) => task.revision === swarm.service('web').revision);
}

describe('what needs no update', () => {
  it.each([
    { what: 'labels of the service', change: { Labels: { a: '1' } } },
    { what: 'the number of replicas', change: { Mode: { Replicated: { Replicas: 5 } } } },
    { what: 'the update configuration', change: { UpdateConfig: { Parallelism: 2 } } },
  ])('$what: no task is replaced, no status written', ({ change }) => {
    const swarm = running();
    const before = swarm.running('web').map(({ id }) => id);
    swarm.update('web', (spec) => ({ ...spec, ...change }));
    swarm.run(10 * second);
    expect(state(swarm)).toBeUndefined();
    expect(swarm.running('web').map(({ id }) => id)).toEqual(expect.arrayContaining(before));
  });

  it('constraints that the nodes of all tasks satisfy', () => {
    const swarm = running();
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints: ['node.role==worker'] } },
    }));
    swarm.run(5 * second);
    expect(state(swarm)).toBeUndefined();
  });

  it('constraints that a node does not satisfy replace its tasks', () => {
    const swarm = running();
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints: ['node.hostname!=node1'] } },
    }));
    swarm.settle();
    expect(state(swarm)).toBe('updating');
  });
});

describe('an update, stop first', () => {
  it('replaces one after the other and completes after the monitor time', () => {
    const swarm = running();
    swarm.setImage('web', 'busybox:2');
    swarm.settle();
    expect(swarm.service('web').updateStatus).toEqual({
      state: 'updating',
      message: 'update in progress',
      startedAt: swarm.now,
    });
    let fewest = 4;
    swarm.runUntil('all replaced', () => {
      fewest = Math.min(fewest, swarm.running('web').length);
      return updated(swarm).length === 4;
    });
    expect(fewest).toBe(3);
    const replacedAt = swarm.now;
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(swarm.now - replacedAt).toBe(5 * second);
    expect(swarm.service('web').updateStatus).toMatchObject({
      message: 'update completed',
      completedAt: swarm.now,
    });
    expect(swarm.refusals).toEqual([]);
  });

  it.each([
    { parallelism: 2, most: 2 },
    { parallelism: 0, most: 4 },
  ])('replaces $most at a time with parallelism $parallelism', ({ parallelism, most }) => {
    const swarm = running({ Parallelism: parallelism });
    swarm.setImage('web', 'busybox:2');
    let fewest = 4;
    swarm.runUntil('all replaced', () => {
      fewest = Math.min(fewest, swarm.running('web').length);
      return updated(swarm).length === 4;
    });
    expect(fewest).toBe(4 - most);
  });

  it('waits for the delay between two', () => {
    const swarm = running({ Delay: 10_000 * nanoseconds }, { replicas: 2 });
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('first', () => updated(swarm).length === 1);
    const at = swarm.now;
    swarm.runUntil('second begins', () => swarm.running('web').length === 1);
    expect(swarm.now - at).toBeGreaterThanOrEqual(10 * second);
  });

  it('goes on where it was after a kill of the orchestrator', () => {
    const swarm = running({ Delay: 2_000 * nanoseconds });
    swarm.setImage('web', 'busybox:2');
    for (let kills = 0; kills < 12 && state(swarm) !== 'completed'; kills += 1) {
      swarm.run(1_700);
      swarm.stages[0]?.restart();
    }
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(updated(swarm)).toHaveLength(4);
    expect(swarm.tasks('web')).toHaveLength(8);
  });

  it('is taken over by a newer one', () => {
    const swarm = running();
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('half', () => updated(swarm).length === 2);
    swarm.setImage('web', 'busybox:3');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(updated(swarm)).toHaveLength(4);
  });

  it('a forced update of an equal spec replaces every task', () => {
    const swarm = running();
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: 1 },
    }));
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(updated(swarm)).toHaveLength(4);
  });
});

describe('an update, start first', () => {
  it('stops the old task only once the new one runs', () => {
    const swarm = running({ Order: 'start-first' });
    swarm.setImage('web', 'busybox:2');
    let fewest = 4;
    swarm.runUntil('completed', () => {
      fewest = Math.min(fewest, swarm.running('web').length);
      return state(swarm) === 'completed';
    });
    expect(fewest).toBe(4);
    expect(swarm.live('web')).toHaveLength(4);
    expect(updated(swarm)).toHaveLength(4);
  });

  it('keeps the old tasks when the new ones do not come to run', () => {
    const swarm = running({ Order: 'start-first' });
    swarm.setImage('web', bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    swarm.run(10 * second);
    expect(swarm.running('web').filter(({ revision }) => revision === 1)).toHaveLength(4);
  });
});

describe('an update that fails', () => {
  it('pauses, and says which task', () => {
    const swarm = running();
    swarm.setImage('web', bad);
    swarm.runUntil('paused', () => state(swarm) === 'paused');
    const failed = swarm.tasks('web').find(({ status }) => status.state === 'failed');
    expect(swarm.service('web').updateStatus?.message).toBe(
      `update paused due to failure or early termination of task ${failed?.id}`,
    );
    swarm.run(30 * second);
    expect(swarm.running('web').filter(({ revision }) => revision === 1)).toHaveLength(3);
  });

  it('goes on when told to continue', () => {
    const swarm = running({ FailureAction: 'continue' });
    swarm.setImage('web', bad);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(swarm.running('web')).toHaveLength(0);
  });

  it('rolls back, and completes the rollback', () => {
    const swarm = running({ FailureAction: 'rollback' });
    swarm.setImage('web', bad);
    swarm.runUntil('rolling back', () => state(swarm) === 'rollback_started');
    const { revision, previousRevision, updateStatus } = swarm.service('web');
    expect({ revision, previousRevision }).toEqual({ revision: 1, previousRevision: undefined });
    expect(updateStatus?.message).toMatch(
      /^update rolled back due to failure or early termination of task [0-9a-z]{25}$/,
    );
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(swarm.service('web').updateStatus?.message).toBe('rollback completed');
    expect(swarm.running('web').filter((task) => task.revision === 1)).toHaveLength(4);
  });

  it('within the ratio goes on; above it, acts', () => {
    const swarm = running({ FailureAction: 'rollback', MaxFailureRatio: 0.4 });
    swarm.setImage('web', bad);
    swarm.runUntil('rolling back', () => state(swarm) === 'rollback_started');
    const slots = new Set(
      swarm.tasks('web').flatMap(({ revision, slot }) => (revision === 2 ? [slot] : [])),
    );
    expect(slots.size).toBe(2);
  });

  it('while rolling back pauses the rollback', () => {
    const swarm = running({ FailureAction: 'rollback' });
    const { fate } = swarm;
    swarm.fate = (task) => (swarm.service('web').revision === 1 ? 'fails at start' : fate(task));
    swarm.setImage('web', bad);
    swarm.runUntil('rollback paused', () => state(swarm) === 'rollback_paused');
    expect(swarm.service('web').updateStatus?.message).toMatch(
      /^rollback paused due to failure or early termination of task /,
    );
  });

  it('does not count a task that ends after it ran for the monitor time', () => {
    const swarm = running({ Delay: 20_000 * nanoseconds });
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('first', () => updated(swarm).length === 1);
    swarm.run(6 * second);
    const [first] = updated(swarm);
    if (first === undefined) throw new Error('nothing was replaced');
    swarm.end(first);
    swarm.run(5 * second);
    expect(state(swarm)).toBe('updating');
  });

  it('counts a task that ends within the monitor time', () => {
    const swarm = running({ Delay: 20_000 * nanoseconds });
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('first', () => updated(swarm).length === 1);
    swarm.run(4 * second);
    const [first] = updated(swarm);
    if (first === undefined) throw new Error('nothing was replaced');
    swarm.end(first);
    swarm.settle();
    expect(state(swarm)).toBe('paused');
  });
});

describe('a rollback asked for', () => {
  it('goes back to the tasks of the previous revision', () => {
    const swarm = running();
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    const service = swarm.service('web');
    const updateStatus = {
      state: 'rollback_started',
      message: 'manually requested rollback',
      startedAt: swarm.now,
    } as const;
    const object = { ...service, revision: 1, previousRevision: 2, updateStatus };
    swarm.write([{ op: 'update', table: 'service', object }]);
    swarm.runUntil('rolled back', () => state(swarm) === 'rollback_completed');
    expect(swarm.running('web').filter(({ revision }) => revision === 1)).toHaveLength(4);
  });
});
