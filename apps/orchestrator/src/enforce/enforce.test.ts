import type { Node, TaskTemplate } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { nanoseconds, second } from '../testing/objects.ts';

const onSsd = { Constraints: ['node.labels.disk==ssd'] };

function label(swarm: FakeSwarm, nodeId: string, disk: string): void {
  swarm.changeNode(nodeId, ({ spec }) => ({ spec: { ...spec, Labels: { disk } } }));
}

/** One task on node1, the only node that there was then; a second node joins. */
function placed(template: Partial<TaskTemplate>, replicas = 1): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(1);
  label(swarm, 'node1', 'ssd');
  swarm.create('web', { replicas, template });
  swarm.runUntil('running', () => swarm.running('web').length === replicas);
  swarm.addNodes(1);
  label(swarm, 'node2', 'ssd');
  swarm.settle();
  return swarm;
}

function rejected(swarm: FakeSwarm) {
  return swarm.tasks('web').filter(({ status }) => status.state === 'rejected');
}

function resize(swarm: FakeSwarm, resources: NonNullable<Node['description']>['Resources']): void {
  swarm.changeNode('node1', ({ description }) => ({
    description: description && { ...description, Resources: resources },
  }));
}

function describedWith(
  description: Node['description'],
  change: Partial<NonNullable<Node['description']>>,
): Partial<Node> {
  return { description: description && { ...description, ...change } };
}

describe('constraint enforcement', () => {
  it('holds for a placement that was decided before the node lost the label', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    label(swarm, 'node1', 'ssd');
    swarm.create('web', { replicas: 1, template: { Placement: onSsd } });
    swarm.settle();
    const [task] = swarm.tasks('web');
    if (task === undefined) throw new Error('no task');
    label(swarm, 'node1', 'hdd');
    swarm.settle();
    const status = { ...task.status, state: 'assigned' } as const;
    swarm.write([{ op: 'update', table: 'task', object: { ...task, nodeId: 'node1', status } }]);
    swarm.settle();
    expect(rejected(swarm).map(({ id }) => id)).toEqual([task.id]);
  });

  it('rejects, in words of Swarm, tasks whose node lost the label, and moves them', () => {
    const swarm = placed({ Placement: onSsd });
    const [old] = swarm.running('web');
    label(swarm, 'node1', 'hdd');
    swarm.settle();
    expect(swarm.task(old?.id ?? '')).toMatchObject({
      desired: 'shutdown',
      status: {
        state: 'rejected',
        message: 'task rejected by constraint enforcer',
        err: 'assigned node no longer meets constraints',
      },
    });
    const at = swarm.now;
    swarm.runUntil('moved', () => swarm.running('web').length === 1);
    expect(swarm.now - at).toBeGreaterThanOrEqual(5 * second);
    expect(swarm.running('web')[0]?.restart).toMatchObject({ failures: 0, moved: true });
  });

  it.each([
    { what: 'the label stays', change: { Labels: { disk: 'ssd', zone: 'a' } } },
    { what: 'the node is paused', change: { Labels: {}, Availability: 'pause' as const } },
  ])('leaves tasks where they are when $what', ({ change }) => {
    const swarm = placed({ Placement: onSsd });
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, ...change } }));
    swarm.run(5 * second);
    expect(rejected(swarm)).toEqual([]);
    expect(swarm.running('web')).toHaveLength(1);
  });

  it('goes by the constraints of the service, not by those the task was made with', () => {
    const swarm = placed({ Placement: onSsd });
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Placement: {} },
    }));
    swarm.settle();
    label(swarm, 'node1', 'hdd');
    swarm.run(5 * second);
    expect(rejected(swarm)).toEqual([]);
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: {
        ...spec.TaskTemplate,
        Placement: { Constraints: ['node.labels.disk!=hdd'] },
      },
    }));
    swarm.settle();
    // That is the update's to bring about, at its pace.
    expect(rejected(swarm)).toEqual([]);
    expect(swarm.service('web').updateStatus?.state).toBe('updating');
  });

  it('holds also for an update that is paused, once the node changes', () => {
    const swarm = placed({}, 2);
    swarm.fate = ({ revision }) => (revision === 1 ? 'runs' : 'fails at start');
    swarm.update('web', (spec) => ({
      ...spec,
      TaskTemplate: {
        ...spec.TaskTemplate,
        Placement: onSsd,
        ContainerSpec: { Image: 'busybox:bad' },
      },
    }));
    swarm.runUntil('paused', () => swarm.service('web').updateStatus?.state === 'paused');
    expect(swarm.running('web')).toHaveLength(1);
    label(swarm, 'node1', 'hdd');
    swarm.settle();
    expect(rejected(swarm)).toMatchObject([{ revision: 1 }]);
  });

  it.each<[string, (node: Node) => Partial<Node>]>([
    ['an image is pulled', ({ description }) => describedWith(description, { Images: ['redis'] })],
    ['resources come', ({ description }) => describedWith(description, { Resources: {} })],
    ['its state comes back', ({ status }) => ({ status: { ...status, state: 'ready' } })],
    ['it is active again', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } })],
  ])('leaves to an update what it is to move when %s meanwhile', (_what, change) => {
    const swarm = placed({}, 2);
    label(swarm, 'node2', 'hdd');
    swarm.fate = ({ revision }) => (revision === 1 ? 'runs' : 'fails at start');
    swarm.update('web', ({ TaskTemplate, ...spec }) => ({
      ...spec,
      TaskTemplate: { ...TaskTemplate, Placement: { Constraints: ['node.labels.disk==hdd'] } },
    }));
    swarm.runUntil('paused', () => swarm.service('web').updateStatus?.state === 'paused');
    swarm.changeNode('node1', change);
    swarm.run(10 * second);
    expect(rejected(swarm).filter(({ revision }) => revision === 1)).toEqual([]);
    expect(swarm.running('web')).toMatchObject([{ revision: 1 }]);
  });

  it('moves running tasks of jobs, and leaves completed ones', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    label(swarm, 'node1', 'ssd');
    const ReplicatedJob = { MaxConcurrent: 2, TotalCompletions: 2 };
    swarm.create('web', { template: { Placement: onSsd }, spec: { Mode: { ReplicatedJob } } });
    const busy = () => swarm.tasks('web').filter(({ status }) => status.state === 'running');
    swarm.runUntil('running', () => busy().length === 2);
    const [done] = busy();
    if (done === undefined) throw new Error('nothing runs');
    swarm.end(done, 'complete');
    swarm.settle();
    swarm.addNodes(1);
    label(swarm, 'node2', 'ssd');
    label(swarm, 'node1', 'hdd');
    swarm.settle();
    expect(rejected(swarm)).toHaveLength(1);
    expect(swarm.task(done.id).status.state).toBe('complete');
    swarm.runUntil('moved', () => busy().some(({ nodeId }) => nodeId === 'node2'));
  });

  it.each([
    { what: 'the run that is on', overlap: 'forbid', runs: 1 },
    { what: 'an earlier run that goes on', overlap: 'allow', runs: 2 },
  ])('holds $what of a job to what it began with', ({ overlap, runs }) => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(2);
    label(swarm, 'node1', 'ssd');
    label(swarm, 'node2', 'hdd');
    const spec = {
      Labels: { 'shoal.cron': '@every 1h', 'shoal.cron.overlap': overlap },
      Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } },
    };
    swarm.create('web', { template: { Placement: onSsd }, spec });
    const busy = () => swarm.tasks('web').filter(({ status }) => status.state === 'running');
    swarm.run(3_601 * second, () => busy().length === 1);
    const Placement = { Constraints: ['node.labels.disk==hdd'] };
    swarm.update('web', ({ TaskTemplate, ...rest }) => ({
      ...rest,
      TaskTemplate: { ...TaskTemplate, Placement },
    }));
    swarm.run(3_601 * second, () => busy().length === runs);
    swarm.changeNode('node1', ({ spec }) => ({
      spec: { ...spec, Labels: { disk: 'ssd', note: 'other' } },
    }));
    swarm.run(5 * second);
    expect(rejected(swarm)).toEqual([]);
    expect(busy()).toHaveLength(runs);
    label(swarm, 'node1', 'hdd');
    swarm.settle();
    expect(rejected(swarm)).toMatchObject([{ revision: 1, nodeId: 'node1' }]);
  });

  it('stops global tasks on nodes that no longer fit', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(2);
    for (const id of ['node1', 'node2']) label(swarm, id, 'ssd');
    swarm.create('agent', { global: true, template: { Placement: onSsd } });
    swarm.runUntil('running', () => swarm.running('agent').length === 2);
    label(swarm, 'node1', 'hdd');
    swarm.runUntil('one', () => swarm.running('agent').length === 1);
    expect(swarm.running('agent')[0]?.nodeId).toBe('node2');
  });
});

describe('enforcement of resources', () => {
  const gpus = (Value: number) => [{ DiscreteResourceSpec: { Kind: 'gpu', Value } }];
  const rows = [
    { what: 'memory', reserves: { MemoryBytes: 4e9 }, left: { NanoCPUs: 8e9, MemoryBytes: 9e9 } },
    { what: 'CPU', reserves: { NanoCPUs: 2e9 }, left: { NanoCPUs: 5e9, MemoryBytes: 16e9 } },
    {
      what: 'a generic resource',
      reserves: { GenericResources: gpus(1) },
      left: { NanoCPUs: 8e9, MemoryBytes: 16e9, GenericResources: gpus(2) },
    },
  ];
  it.each(rows)('a node with less $what keeps the oldest tasks it has room for', (row) => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    resize(swarm, { NanoCPUs: 8e9, MemoryBytes: 16e9, GenericResources: gpus(4) });
    const Resources = { Reservations: row.reserves };
    for (const id of ['old', 'web'])
      swarm.create(id, { replicas: id === 'old' ? 1 : 2, template: { Resources } });
    swarm.runUntil('running', () => swarm.running('web').length === 2);
    swarm.addNodes(1);
    resize(swarm, row.left);
    swarm.settle();
    expect(rejected(swarm)).toHaveLength(1);
    expect(swarm.running('old')).toHaveLength(1);
    expect(swarm.running('web')).toHaveLength(1);
  });

  it.each([
    { what: 'that', first: ['a'], second: ['b'] },
    { what: 'that and others', first: ['a', 'b'], second: ['c'] },
  ])('a named resource that is gone takes the task that was given $what, no other', (row) => {
    const named = (...names: string[]) =>
      names.map((Value) => ({ NamedResourceSpec: { Kind: 'gpu', Value } }));
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    resize(swarm, { NanoCPUs: 8e9, MemoryBytes: 16e9, GenericResources: named('a', 'b', 'c') });
    const Resources = { Reservations: { GenericResources: gpus(1) } };
    swarm.create('web', { replicas: 2, template: { Resources } });
    swarm.settle();
    for (const [at, task] of swarm.tasks('web').entries()) {
      const status = { ...task.status, state: 'assigned' } as const;
      const genericResources = named(...(at === 0 ? row.first : row.second));
      const object = { ...task, status, nodeId: 'node1', genericResources };
      swarm.write([{ op: 'update', table: 'task', object }]);
    }
    swarm.runUntil('running', () => swarm.running('web').length === 2);
    resize(swarm, { NanoCPUs: 8e9, MemoryBytes: 16e9, GenericResources: named('b', 'c') });
    swarm.settle();
    expect(rejected(swarm)).toMatchObject([{ genericResources: named(...row.first) }]);
  });

  it('does not count tasks that are over', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(1);
    const Resources = { Reservations: { MemoryBytes: 6e9 } };
    const RestartPolicy = { Condition: 'none', Delay: second * nanoseconds } as const;
    swarm.create('done', { template: { Resources, RestartPolicy } });
    swarm.create('web', { template: { Resources } });
    swarm.runUntil('running', () => swarm.running('web').length === 1);
    for (const task of swarm.running('done')) swarm.end(task, 'complete');
    swarm.settle();
    resize(swarm, { NanoCPUs: 8e9, MemoryBytes: 7e9 });
    swarm.run(second);
    expect(rejected(swarm)).toEqual([]);
  });
});
