import { createAllocator } from '@shoal/allocator';
import { createOrchestrator } from '@shoal/orchestrator';
import { FakeSwarm, type Fate, type SpecParts, second } from '@shoal/orchestrator/testing';
import { createScheduler } from '@shoal/scheduler';
import type { ServiceSpec, Task } from '@shoal/state';
import { describe, expect, it } from 'vitest';

const stages = [createOrchestrator, createAllocator, createScheduler];
const minute = 60 * second;

type Order = 'stop-first' | 'start-first';

function withImage(Image: string): (spec: ServiceSpec) => ServiceSpec {
  return ({ TaskTemplate, ...spec }) => ({
    ...spec,
    TaskTemplate: { ...TaskTemplate, ContainerSpec: { ...TaskTemplate.ContainerSpec, Image } },
  });
}

function reserving(cpus: number, parts: SpecParts = {}): SpecParts {
  return { ...parts, template: { Resources: { Reservations: { NanoCPUs: cpus * 1e9 } } } };
}

describe.each([{ racing: false }, { racing: true }])('an update, racing: $racing', ({ racing }) => {
  let swarm: FakeSwarm;
  const begin = (nodes: number, parts: SpecParts, running: number): void => {
    swarm = new FakeSwarm({ stages, racing });
    swarm.addNodes(nodes);
    swarm.create('web', parts);
    swarm.runUntil('as many run as can', () => swarm.running('web').length === running);
    swarm.run(20 * second);
  };
  const state = () => swarm.service('web').updateStatus?.state;
  const revisions = (tasks: readonly Task[]) => tasks.map(({ revision }) => revision);
  /** The fewest that ran on the way there. */
  const fewestUntilCompleted = (): number => {
    let fewest = Number.POSITIVE_INFINITY;
    swarm.runUntil(
      'completed',
      () => {
        fewest = Math.min(fewest, swarm.running('web').length);
        return state() === 'completed';
      },
      10 * minute,
    );
    return fewest;
  };

  it('goes past the slot of a lost node that has no other', () => {
    begin(3, { replicas: 3, template: { Placement: { MaxReplicas: 1 } } }, 3);
    swarm.setNodeState('node2', 'down');
    swarm.run(minute);
    const lost = swarm.live('web').find(({ status }) => status.state === 'pending');
    expect(lost?.status.err).toContain('max replicas per node limit exceed');
    swarm.update('web', withImage('fixed'));
    expect(fewestUntilCompleted()).toBeGreaterThanOrEqual(1);
    expect(revisions(swarm.live('web'))).toEqual([2, 2, 2]);
    const running = swarm.running('web').filter(({ nodeId }) => nodeId !== 'node2');
    expect(revisions(running)).toEqual([2, 2]);
  });

  it.each<Order>(['stop-first', 'start-first'])(
    'of a service on every node goes past one that is too small, %s',
    (order) => {
      begin(
        3,
        reserving(4, {
          spec: { Mode: { Global: {} }, UpdateConfig: { Parallelism: 1, Order: order } },
        }),
        3,
      );
      swarm.changeNode('node2', ({ description }) => ({
        description: description && { ...description, Resources: { NanoCPUs: 2e9 } },
      }));
      swarm.run(minute);
      swarm.update('web', withImage('fixed'));
      swarm.runUntil('completed', () => state() === 'completed', 10 * minute);
      expect(revisions(swarm.live('web'))).toEqual([2, 2, 2]);
      expect(swarm.running('web')).toHaveLength(2);
    },
  );

  it('goes on where a slot that had no room takes what another one gives up', () => {
    begin(2, reserving(4, { replicas: 6 }), 4);
    swarm.update('web', withImage('fixed'));
    expect(fewestUntilCompleted()).toBeGreaterThanOrEqual(3);
    expect(revisions(swarm.running('web'))).toEqual([2, 2, 2, 2]);
    expect(revisions(swarm.live('web'))).toEqual(Array(6).fill(2));
  });

  it('stops at a task that ran and fits nowhere any more; the next update goes on from there', () => {
    begin(2, reserving(4, { replicas: 4 }), 4);
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Resources: { Reservations: { NanoCPUs: 64e9 } } },
    }));
    swarm.run(10 * minute);
    expect(state()).toBe('updating');
    expect(revisions(swarm.running('web'))).toEqual([1, 1, 1]);
    swarm.update('web', ({ TaskTemplate, ...spec }) => ({
      ...spec,
      TaskTemplate: {
        ...TaskTemplate,
        Resources: { Reservations: { NanoCPUs: 4e9 } },
        ForceUpdate: 1,
      },
    }));
    expect(fewestUntilCompleted()).toBeGreaterThanOrEqual(2);
    expect(revisions(swarm.running('web'))).toEqual([3, 3, 3, 3]);
  });

  it('is no success while nothing of it has run, and fails as ever once that does', () => {
    begin(2, reserving(64, { replicas: 2 }), 0);
    swarm.fate = () => 'fails at start';
    swarm.update('web', withImage('broken'));
    swarm.run(minute);
    expect(state()).toBe('updating');
    expect(revisions(swarm.live('web'))).toEqual([2, 2]);
    swarm.addNodes(1, {
      description: {
        Hostname: 'large',
        Platform: { Architecture: 'x86_64', OS: 'linux' },
        Resources: { NanoCPUs: 128e9, MemoryBytes: 64e9 },
        Engine: { EngineVersion: '28', Plugins: [] },
      },
    });
    swarm.runUntil('paused', () => state() === 'paused', minute);
  });

  describe('counts what it stopped until that runs again', () => {
    /** Tasks that are told to stop take so long; those of the new revision do what `fate` says. */
    const stopsAfter = (durationMs: number, fate: (task: Task) => Fate = () => 'runs'): void => {
      const toldAt = new Map<string, number>();
      swarm.fate = (task) => {
        if (task.desired !== 'shutdown') return fate(task);
        const told = toldAt.get(task.id) ?? swarm.now;
        toldAt.set(task.id, told);
        return swarm.now - told < durationMs ? 'will not stop' : 'runs';
      };
    };
    const scaledTo = (Replicas: number) =>
      swarm.update('web', ({ TaskTemplate, ...spec }) => ({
        ...spec,
        Mode: { Replicated: { Replicas } },
        TaskTemplate: { ...TaskTemplate, ForceUpdate: 1 },
      }));
    const pace = (more: object): SpecParts => ({
      spec: { UpdateConfig: { Parallelism: 1, ...more } },
    });

    it.each([0, 4])('a global service, when %i nodes join', (joining) => {
      const UpdateConfig = { Parallelism: 1, Delay: 30e9 };
      begin(6, reserving(5, { spec: { Mode: { Global: {} }, UpdateConfig } }), 6);
      const six = new Set(swarm.live('web').map(({ nodeId }) => nodeId));
      stopsAfter(8 * second);
      swarm.update('web', withImage('fixed'));
      swarm.addNodes(joining);
      let fewest = 6;
      swarm.runUntil(
        'completed',
        () => {
          const wanted = swarm.running('web').filter(({ desired }) => desired === 'running');
          fewest = Math.min(fewest, wanted.filter(({ nodeId }) => six.has(nodeId)).length);
          return state() === 'completed';
        },
        30 * minute,
      );
      expect(fewest).toBe(5);
    });

    it('one that is scaled up as well, and whose tasks take their time to stop', () => {
      begin(4, reserving(4, { replicas: 4, ...pace({}) }), 4);
      stopsAfter(8 * second);
      scaledTo(8);
      swarm.runUntil('completed', () => state() === 'completed', 30 * minute);
      expect(swarm.running('web')).toHaveLength(8);
    });

    it('one whose only task that ran fails later', () => {
      begin(1, reserving(4, { replicas: 1, ...pace({ FailureAction: 'rollback' }) }), 1);
      const fails = ({ revision, slot }: Task) => revision === 2 && slot === 1;
      stopsAfter(20 * second, (task) => (fails(task) ? 'fails at start' : 'runs'));
      scaledTo(2);
      swarm.runUntil('rolled back', () => state() === 'rollback_completed', 10 * minute);
    });

    it('start first, one that has no room beside the old', () => {
      begin(1, reserving(4, { replicas: 1, ...pace({ Order: 'start-first' }) }), 1);
      scaledTo(2);
      swarm.run(minute);
      expect(state()).toBe('updating');
    });

    it.each(['stays away', 'comes back paused'])(
      'but not what a lost node took, which %s',
      (what) => {
        const UpdateConfig = { Parallelism: 1, Delay: 60e9 };
        begin(
          4,
          { replicas: 4, template: { Placement: { MaxReplicas: 1 } }, spec: { UpdateConfig } },
          4,
        );
        swarm.setNodeState('node2', 'down');
        swarm.run(minute);
        swarm.update('web', withImage('fixed'));
        swarm.run(30 * second);
        if (what === 'comes back paused') {
          swarm.changeNode('node2', ({ spec }) => ({ spec: { ...spec, Availability: 'pause' } }));
          swarm.setNodeState('node2', 'ready');
        }
        swarm.runUntil('completed', () => state() === 'completed', 30 * minute);
      },
    );
  });

  it('leaves one task to wait in a slot that has no room, start first', () => {
    begin(
      1,
      reserving(4, {
        replicas: 3,
        spec: { UpdateConfig: { Parallelism: 1, Order: 'start-first' } },
      }),
      2,
    );
    swarm.update('web', withImage('fixed'));
    swarm.run(minute);
    const waiting = swarm.live('web').filter(({ status }) => status.state === 'pending');
    const slots = waiting.map(({ slot }) => slot);
    expect(new Set(slots).size).toBe(slots.length);
    expect(swarm.running('web')).toHaveLength(2);
  });
});
