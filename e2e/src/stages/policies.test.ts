import { createAllocator } from '@shoal/allocator';
import { createOrchestrator } from '@shoal/orchestrator';
import { FakeSwarm, type SpecParts, second } from '@shoal/orchestrator/testing';
import { createScheduler } from '@shoal/scheduler';
import type { Task } from '@shoal/state';
import { describe, expect, it } from 'vitest';

const stages = [createOrchestrator, createAllocator, createScheduler];
const minute = 60 * second;

function swarmOf(nodes: number, racing = false): FakeSwarm {
  const swarm = new FakeSwarm({ stages, racing });
  swarm.addNodes(nodes);
  return swarm;
}

function parts(labels: Record<string, string>, cpus: number, replicas: number): SpecParts {
  return {
    replicas,
    spec: { Labels: labels },
    template: { Resources: { Reservations: { NanoCPUs: cpus * 1e9 } } },
  };
}

function hasState(tasks: readonly Task[], state: Task['status']['state']): boolean {
  return tasks.some(({ status }) => status.state === state);
}

function nodesOf(tasks: readonly Task[]): readonly string[] {
  return tasks.map(({ nodeId }) => nodeId).sort();
}

describe.each([{ racing: false }, { racing: true }])('policies, racing: $racing', ({ racing }) => {
  it('tasks that gave way run elsewhere, or wait and come back', () => {
    const swarm = swarmOf(2, racing);
    swarm.create('low', parts({}, 4, 4));
    swarm.runUntil('all of low run', () => swarm.running('low').length === 4);
    swarm.create('high', parts({ 'shoal.priority': '10' }, 6, 1));
    swarm.runUntil('high runs', () => swarm.running('high').length === 1);
    swarm.run(10 * second);
    expect(swarm.running('low')).toHaveLength(2);
    expect(swarm.live('low')).toHaveLength(4);
    const displaced = swarm.tasks('low').filter((task) => task.displaced !== undefined);
    expect(displaced.map((task) => task.displaced?.reason)).toEqual(
      Array(2).fill('gave way to task high.1 of higher priority (10 over 0)'),
    );
    swarm.addNodes(1);
    swarm.runUntil('all run', () => swarm.running('low').length === 4, minute);
    expect(swarm.running('high')).toHaveLength(1);
  });

  it('a job that gave way is run again', () => {
    const swarm = swarmOf(1, racing);
    const Mode = { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } };
    const { template } = parts({}, 8, 1);
    swarm.create('job', { spec: { Mode }, ...(template && { template }) });
    swarm.runUntil('the job runs', () => hasState(swarm.tasks('job'), 'running'));
    swarm.create('high', parts({ 'shoal.priority': '1' }, 8, 1));
    swarm.runUntil('high runs', () => swarm.running('high').length === 1);
    swarm.remove('high');
    swarm.fate = () => 'finishes';
    swarm.runUntil('the job completes', () => hasState(swarm.tasks('job'), 'complete'), minute);
  });

  it('a slot whose task gives way never has two that run', () => {
    const swarm = swarmOf(3, racing);
    swarm.create('low', parts({}, 4, 3));
    swarm.runUntil('all of low run', () => swarm.running('low').length === 3);
    swarm.fate = (task) => (task.displaced === undefined ? 'runs' : 'will not stop');
    swarm.create('high', parts({ 'shoal.priority': '1' }, 8, 1));
    swarm.run(5 * second);
    const [displaced] = swarm.tasks('low').filter((task) => task.displaced !== undefined);
    const mates = swarm.tasks('low').filter(({ slot }) => slot === displaced?.slot);
    expect(mates.map(({ status }) => status.state).sort()).toEqual(['ready', 'running']);
    swarm.fate = () => 'runs';
    swarm.runUntil('high runs', () => swarm.running('high').length === 1);
    swarm.run(10 * second);
    expect(swarm.running('low')).toHaveLength(3);
  });

  it('a stack starts in the order of its dependencies', () => {
    const swarm = swarmOf(2, racing);
    const order: string[] = [];
    const stack = 'com.docker.stack.namespace';
    const on = (dependsOn: string) => parts({ [stack]: 's', 'shoal.depends-on': dependsOn }, 0, 2);
    swarm.create('s_web', on('api:healthy'));
    swarm.create('s_api', on('db:healthy'));
    swarm.create('s_db', { replicas: 1, spec: { Labels: { [stack]: 's' } } });
    swarm.run(minute, () => {
      for (const id of ['s_web', 's_api', 's_db'])
        if (swarm.running(id).length > 0 && !order.includes(id)) order.push(id);
      return order.length === 3;
    });
    expect(order).toEqual(['s_db', 's_api', 's_web']);
    swarm.run(10 * second);
    expect(swarm.running('s_web')).toHaveLength(2);
  });

  it('a task beside its data waits for its node, and an update finds it there', () => {
    const swarm = swarmOf(3, racing);
    const Mounts = [{ Type: 'volume', Source: 'data', Target: '/data' } as const];
    const template = { ContainerSpec: { Image: 'db', Mounts } };
    swarm.create('db', { replicas: 2, template });
    swarm.runUntil('db runs', () => swarm.running('db').length === 2);
    const before = nodesOf(swarm.running('db'));
    swarm.update('db', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { Image: 'db:2', Mounts } },
    }));
    swarm.run(minute);
    expect(nodesOf(swarm.running('db'))).toEqual(before);
    const [lost = ''] = before;
    swarm.setNodeState(lost, 'down');
    swarm.run(20 * second);
    const waiting = swarm.live('db').filter(({ status }) => status.state === 'pending');
    expect(waiting.map(({ status }) => status.err)).toEqual([
      expect.stringContaining(`is on ${lost}, which is down; to let it start elsewhere`),
    ]);
    swarm.setNodeState(lost, 'ready');
    swarm.runUntil('db is whole again', () => swarm.running('db').length === 2);
    expect(nodesOf(swarm.running('db'))).toEqual(before);
    swarm.remove('db');
    swarm.run(10 * second);
    expect([...swarm.view.volumeHomes.values()]).toEqual([]);
  });

  it('tasks that keep away from each other never meet, through updates and losses', () => {
    const swarm = swarmOf(4, racing);
    swarm.create('a', parts({ 'shoal.anti-affinity': 'self:hard,b:hard' }, 0, 2));
    swarm.create('b', parts({}, 0, 4));
    swarm.run(30 * second);
    swarm.setImage('a', 'other');
    swarm.setNodeState('node1', 'down');
    swarm.run(30 * second);
    swarm.setNodeState('node1', 'ready');
    swarm.run(30 * second);
    const byNode = Map.groupBy([...swarm.running('a'), ...swarm.running('b')], (t) => t.nodeId);
    for (const tasks of byNode.values()) {
      const own = tasks.filter(({ serviceId }) => serviceId === 'a').length;
      expect(own === 0 || (own === 1 && tasks.length === 1)).toBe(true);
    }
  });
});
