import type { Stage } from '@shoal/stage';
import type { ServiceSpec } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { aCluster, nanoseconds, second } from '../testing/objects.ts';
import { bad, running, state, template, updated } from '../testing/web-swarm.ts';

/** Writes of every new revision that the addresses are right for it. */
const fakeAllocator = (): Stage => ({
  name: 'allocator',
  *step({ services }) {
    for (const service of services.values()) {
      const { id, revision, endpoint } = service;
      if (endpoint.revision === revision) continue;
      const object = { ...service, endpoint: { ...endpoint, revision } };
      const changes = [{ op: 'update', table: 'service', object } as const];
      yield { kind: 'transaction', key: id, reason: 'addresses', changes };
    }
  },
});

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

describe('what needs an update', () => {
  it.each([
    {
      what: 'a log driver',
      change: (it: ServiceSpec) => template(it, { LogDriver: { Name: 'json-file' } }),
    },
    {
      what: 'the environment',
      change: (it: ServiceSpec) =>
        template(it, { ContainerSpec: { ...it.TaskTemplate.ContainerSpec, Env: ['A=1'] } }),
    },
    { what: 'the force counter', change: (it: ServiceSpec) => template(it, { ForceUpdate: 7 }) },
    {
      what: 'a published port',
      change: (it: ServiceSpec): ServiceSpec => ({
        ...it,
        EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'ingress' }] },
      }),
    },
  ])('$what: every task is replaced by one of the new revision', ({ change }) => {
    const swarm = running();
    swarm.update('web', change);
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    expect(updated(swarm)).toHaveLength(4);
  });

  it('has a status although somebody else writes the service at the same moment', () => {
    const stages = [fakeAllocator, createOrchestrator];
    const swarm = new FakeSwarm({ stages, racing: true });
    swarm.addNodes(1);
    swarm.create('web', { replicas: 1 });
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    for (const round of [1, 2]) {
      swarm.force('web');
      swarm.runUntil(`completed ${round}`, () => state(swarm) === 'completed');
      expect(updated(swarm)).toHaveLength(1);
    }
  });

  it('is asked for twice with the same result: the second finds nothing to do', () => {
    const swarm = running();
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('completed', () => state(swarm) === 'completed');
    const before = swarm.running('web').map(({ id }) => id);
    swarm.setImage('web', 'busybox:2');
    swarm.run(20 * second);
    expect(state(swarm)).toBeUndefined();
    expect(swarm.running('web').map(({ id }) => id)).toEqual(before);
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

  it('goes on after a minute when an old task will not stop', () => {
    const swarm = running({}, { replicas: 1 });
    const [old] = swarm.running('web');
    swarm.fate = ({ id }) => (id === old?.id ? 'will not stop' : 'runs');
    swarm.setImage('web', 'busybox:2');
    swarm.run(59 * second);
    expect(updated(swarm)).toHaveLength(0);
    swarm.runUntil('updated', () => updated(swarm).length === 1, 5 * second);
  });

  it('does not wait for old tasks on nodes that are down', () => {
    const swarm = running({}, { replicas: 3 });
    swarm.setNodeState('node1', 'down');
    swarm.setImage('web', 'busybox:2');
    swarm.runUntil('updated', () => updated(swarm).length === 3, 20 * second);
  });

  it('tries a slot again whose new task was called off before it ran', () => {
    const swarm = running({}, { replicas: 1 });
    swarm.fate = () => 'hangs';
    swarm.setImage('web', 'busybox:2');
    swarm.run(second);
    swarm.rollBack('web', 1);
    swarm.settle();
    swarm.rollBack('web', 2);
    swarm.fate = () => 'runs';
    swarm.runUntil('updated', () => updated(swarm).length === 1);
    swarm.runUntil('over', () => state(swarm) === 'rollback_completed');
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

  it('replaces once a task that ends just as it begins', () => {
    const swarm = running({ Parallelism: 0 });
    swarm.setImage('web', 'busybox:2');
    const startedAt = swarm.now;
    const updateStatus = { state: 'updating', message: 'update in progress', startedAt } as const;
    swarm.write([
      { op: 'update', table: 'service', object: { ...swarm.service('web'), updateStatus } },
    ]);
    const [first] = swarm.running('web');
    if (first === undefined) throw new Error('nothing runs');
    swarm.end(first);
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

describe('an update that adds replicas', () => {
  it.each(['stop-first', 'start-first'] as const)(
    'waits for none of them, %s: they may fit nowhere before it made room',
    (Order) => {
      const swarm = running({ Order });
      swarm.fate = ({ slot }) => (slot > 4 ? 'hangs' : 'runs');
      swarm.update('web', (spec) => ({
        ...template(spec, { ForceUpdate: 1 }),
        Mode: { Replicated: { Replicas: 6 } },
      }));
      let fewest = 4;
      swarm.runUntil('completed', () => {
        fewest = Math.min(fewest, swarm.running('web').length);
        return state(swarm) === 'completed';
      });
      expect(updated(swarm)).toHaveLength(4);
      expect(swarm.live('web')).toHaveLength(6);
      expect(fewest).toBe(Order === 'stop-first' ? 3 : 4);
    },
  );

  it('counts their failures', () => {
    const swarm = running({ MaxFailureRatio: 0.3 });
    swarm.fate = ({ slot, revision }) => {
      if (revision === 1) return 'runs';
      return slot > 4 ? 'fails at start' : 'hangs';
    };
    swarm.update('web', (spec) => ({
      ...template(spec, { ForceUpdate: 1 }),
      Mode: { Replicated: { Replicas: 6 } },
    }));
    swarm.runUntil('paused', () => state(swarm) === 'paused');
  });

  it.each([0, 1, 5])('replaces the others at its pace with a history of %i tasks', (limit) => {
    const swarm = running({ Delay: 10_000 * nanoseconds });
    swarm.write([{ op: 'create', table: 'cluster', object: aCluster(limit) }]);
    swarm.fate = ({ slot }) => (slot > 4 ? 'hangs' : 'runs');
    swarm.update('web', (spec) => ({
      ...template(spec, { ForceUpdate: 1 }),
      Mode: { Replicated: { Replicas: 6 } },
    }));
    const times: number[] = [];
    swarm.runUntil('completed', () => {
      if (updated(swarm).length > times.length) times.push(swarm.now);
      return state(swarm) === 'completed';
    });
    expect(times).toHaveLength(4);
    for (const [at, time] of times.slice(1).entries())
      expect(time - (times[at] ?? 0)).toBeGreaterThanOrEqual(10 * second);
    swarm.settle();
    const kept = swarm.tasks('web').filter(({ slot }) => slot === 1);
    expect(kept).toHaveLength(limit === 5 ? 2 : 1);
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

describe('an update of a very large service', () => {
  it('ends', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.create('web', { replicas: 130_000 });
    swarm.settle();
    swarm.now = (swarm.now + second) as typeof swarm.now;
    swarm.update('web', (spec) => ({ ...spec, Labels: { a: '1' } }));
    const startedAt = swarm.now;
    const updateStatus = { state: 'updating', message: 'update in progress', startedAt } as const;
    swarm.write([
      { op: 'update', table: 'service', object: { ...swarm.service('web'), updateStatus } },
    ]);
    swarm.settle();
    expect(swarm.service('web').updateStatus?.state).toBe('completed');
  });
});
