import { type Change, loadPeriodMs } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { second } from '../testing/objects.ts';
import { settleMs } from './autoscale.ts';

const minute = 60 * second;
const labels = {
  'shoal.autoscale.min': '2',
  'shoal.autoscale.max': '10',
  'shoal.autoscale.cpu': '0.5',
};

function swarmOf(Labels: Record<string, string> = labels, replicas = 2): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(3);
  swarm.create('web', { replicas, spec: { Labels } });
  swarm.run(loadPeriodMs - (swarm.now % loadPeriodMs));
  return swarm;
}

/** The work of so many processors, shared out over the tasks that run: each node measures it by itself. */
function measure(swarm: FakeSwarm, work: number): void {
  const running = swarm.running('web');
  for (const { id } of running) {
    const task = swarm.task(id);
    const load = { processors: work / running.length, memoryBytes: 1_000 };
    const change: Change = {
      op: 'update',
      table: 'task',
      object: { ...task, status: { ...task.status, load } },
    };
    swarm.write([change]);
    swarm.settle();
  }
}

function under(swarm: FakeSwarm, work: number, durationMs: number): void {
  const end = swarm.now + durationMs;
  while (swarm.now < end) {
    if (swarm.now % loadPeriodMs === 0) measure(swarm, work);
    swarm.run(Math.min(loadPeriodMs - (swarm.now % loadPeriodMs), end - swarm.now));
  }
}

function tasks(swarm: FakeSwarm): number {
  return swarm.running('web').length;
}

describe('a service that is scaled by load', () => {
  it('has more tasks at once when they have too much to do, and stays at what is enough', () => {
    const swarm = swarmOf();
    under(swarm, 2, 6 * second);
    expect(swarm.service('web').scaling).toEqual({
      replicas: 4,
      changedAt: expect.any(Number),
      reason: 'tasks use 1 processor each, of 0.5 processors to aim at',
    });
    under(swarm, 2, 10 * minute);
    expect(tasks(swarm)).toBe(4);
    expect(swarm.view.revisions.of('web', 1)?.spec.Mode).toEqual({ Replicated: { Replicas: 2 } });
    expect(swarm.service('web').revision).toBe(1);
  });

  it('grows by what is there, step by step, and never over its bounds', () => {
    const swarm = swarmOf({ ...labels, 'shoal.autoscale.max': '100' });
    const seen: number[] = [];
    for (let step = 0; step < 5; step += 1) {
      under(swarm, 1_000, settleMs);
      seen.push(tasks(swarm));
    }
    expect(seen).toEqual([6, 12, 24, 48, 96]);
    under(swarm, 1_000, 2 * settleMs);
    expect(tasks(swarm)).toBe(100);
  });

  it('goes down after five minutes, to the most that was needed meanwhile', () => {
    const swarm = swarmOf();
    under(swarm, 5, minute);
    expect(tasks(swarm)).toBe(10);
    under(swarm, 1, 2 * minute);
    under(swarm, 3, minute);
    under(swarm, 1, 2.25 * minute);
    expect(tasks(swarm)).toBe(6);
    under(swarm, 0, 7 * minute);
    expect(tasks(swarm)).toBe(2);
  });

  it('stays when what it has is needed again in time', () => {
    const swarm = swarmOf();
    under(swarm, 5, 2 * minute);
    for (let round = 0; round < 5; round += 1) {
      under(swarm, 1, 4 * minute);
      expect(swarm.service('web').scaling?.fewer).toBeDefined();
      under(swarm, 5, minute);
      expect(swarm.service('web').scaling?.fewer).toBeUndefined();
      expect(tasks(swarm)).toBe(10);
    }
  });

  it('waits as long before it goes down as it is told', () => {
    const swarm = swarmOf({ ...labels, 'shoal.autoscale.down-after': '1m' }, 8);
    under(swarm, 0, minute);
    expect(tasks(swarm)).toBe(8);
    under(swarm, 0, 6 * second);
    expect(tasks(swarm)).toBe(2);
  });

  it('keeps what it has while nothing is known of its load, and goes on where another replica left off', () => {
    const swarm = swarmOf(labels, 8);
    swarm.run(20 * minute);
    expect(tasks(swarm)).toBe(8);
    under(swarm, 1, 4 * minute);
    swarm.stages[0]?.restart();
    under(swarm, 1, 1.25 * minute);
    expect(tasks(swarm)).toBe(2);
  });

  it('keeps the tasks of nodes that cannot be reached: they may be busy', () => {
    const swarm = swarmOf(labels, 6);
    measure(swarm, 0.1);
    swarm.setNodeState('node1', 'unknown');
    swarm.run(6 * minute);
    expect(tasks(swarm)).toBe(3);
  });

  it('has as many as its bounds say from the first, and follows them when they change', () => {
    const swarm = swarmOf(labels, 1);
    expect(tasks(swarm)).toBe(2);
    under(swarm, 5, 2 * minute);
    swarm.update('web', (spec) => ({ ...spec, Labels: { ...labels, 'shoal.autoscale.max': '5' } }));
    swarm.run(second);
    expect(tasks(swarm)).toBe(5);
  });

  it('keeps what its load asked for when an update or a rollback replaces its tasks', () => {
    const swarm = swarmOf();
    under(swarm, 3, 2 * minute);
    expect(tasks(swarm)).toBe(6);
    swarm.setImage('web', 'busybox:2');
    under(swarm, 3, minute);
    expect(swarm.running('web').map(({ revision }) => revision)).toEqual([2, 2, 2, 2, 2, 2]);
    swarm.rollBack('web');
    under(swarm, 3, minute);
    expect(swarm.running('web').map(({ revision }) => revision)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('is left alone while it is stopped, and comes back as it was', () => {
    const swarm = swarmOf();
    under(swarm, 3, 2 * minute);
    swarm.update('web', (spec) => ({ ...spec, Labels: { ...labels, 'shoal.stopped': 'true' } }));
    swarm.run(10 * minute);
    expect(tasks(swarm)).toBe(0);
    swarm.update('web', (spec) => ({ ...spec, Labels: labels }));
    swarm.run(5 * second);
    expect(tasks(swarm)).toBe(6);
  });

  it('that is to have no tasks has none', () => {
    const swarm = swarmOf();
    under(swarm, 3, 2 * minute);
    swarm.scale('web', 0);
    swarm.run(5 * second);
    expect(tasks(swarm)).toBe(0);
    expect(swarm.service('web').scaling).toBeUndefined();
  });

  it('has what its spec says as soon as the labels are gone', () => {
    const swarm = swarmOf();
    under(swarm, 3, 2 * minute);
    swarm.update('web', (spec) => ({ ...spec, Labels: {} }));
    swarm.run(5 * second);
    expect(tasks(swarm)).toBe(2);
    expect(swarm.service('web').scaling).toBeUndefined();
  });

  it('in mode advise only says what it would do', () => {
    const swarm = swarmOf({ ...labels, 'shoal.autoscale.mode': 'advise' });
    under(swarm, 3, 2 * minute);
    expect(tasks(swarm)).toBe(2);
    expect(swarm.service('web').scaling?.replicas).toBe(6);
    under(swarm, 1, 6 * minute);
    expect(swarm.service('web').scaling?.replicas).toBe(2);
  });
});
