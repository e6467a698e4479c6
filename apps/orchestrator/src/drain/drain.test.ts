import { describe, expect, it } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm } from '../testing/fake-swarm.ts';
import { nanoseconds, type SpecParts, second } from '../testing/objects.ts';

type Labels = Readonly<Record<string, string>>;

const startFirst = { 'shoal.drain.order': 'start-first' };

/** Services of one replica each, all on node1; two more nodes are free. */
function crowded(count: number, labels: Labels = {}, parts: SpecParts = {}): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  swarm.addNodes(1);
  for (let at = 1; at <= count; at += 1)
    swarm.create(`web${at}`, { ...parts, spec: { Labels: labels, ...parts.spec } });
  swarm.runUntil('running', () => onNode(swarm, 'node1') === count);
  swarm.addNodes(2);
  swarm.settle();
  return swarm;
}

function onNode(swarm: FakeSwarm, nodeId: string): number {
  return [...swarm.view.tasks.byNode(nodeId)].filter(
    ({ desired, status }) => desired === 'running' && status.state === 'running',
  ).length;
}

function isEmpty(swarm: FakeSwarm, nodeId: string): boolean {
  return [...swarm.view.tasks.byNode(nodeId)].every(({ status }) => status.state !== 'running');
}

function drainWith(swarm: FakeSwarm, labels: Labels, nodeId = 'node1'): void {
  swarm.changeNode(nodeId, ({ spec }) => ({
    spec: { ...spec, Labels: labels, Availability: 'drain' },
  }));
}

function serving(swarm: FakeSwarm): number {
  return [...swarm.view.tasks.values()].filter(({ status }) => status.state === 'running').length;
}

function moving(swarm: FakeSwarm): number {
  let count = 0;
  for (const { id } of swarm.view.services.values()) if (swarm.live(id).length > 1) count += 1;
  return count;
}

/** Runs until node1 is empty; the fewest that served and the most that moved at once on the way. */
function watchDrain(swarm: FakeSwarm): { fewest: number; most: number } {
  let fewest = serving(swarm);
  let most = 0;
  swarm.runUntil('drained', () => {
    fewest = Math.min(fewest, serving(swarm));
    most = Math.max(most, moving(swarm));
    return isEmpty(swarm, 'node1');
  });
  return { fewest, most };
}

function messageOf(swarm: FakeSwarm, nodeId = 'node1'): string | undefined {
  return swarm.view.nodes.get(nodeId)?.status.message;
}

describe('a drain that starts first', () => {
  it.each([
    { rule: 'by the label of the service', node: {}, service: startFirst },
    { rule: 'by the label of the node', node: startFirst, service: {} },
    {
      rule: 'by the label of the node, which wins',
      node: startFirst,
      service: { 'shoal.drain.order': 'stop-first' },
    },
  ])('$rule: never fewer serve than wanted', ({ node, service }) => {
    const swarm = crowded(4, service);
    drainWith(swarm, node);
    expect(watchDrain(swarm).fewest).toBe(4);
    swarm.run(10 * second);
    expect(serving(swarm)).toBe(4);
    expect(swarm.refusals).toEqual([]);
  });

  it.each([
    { rule: 'no label', node: {}, service: {} },
    {
      rule: 'stop-first on the node wins over the service',
      node: { 'shoal.drain.order': 'stop-first' },
      service: startFirst,
    },
    { rule: 'a malformed label', node: {}, service: { 'shoal.drain.order': 'first' } },
  ])('does not happen: $rule', ({ node, service }) => {
    const swarm = crowded(4, service);
    drainWith(swarm, node);
    expect(watchDrain(swarm).fewest).toBe(0);
  });

  it.each([
    { rule: 'one of the node by default', labels: startFirst, at: 1 },
    {
      rule: 'as many of the node as it says',
      labels: { ...startFirst, 'shoal.drain.parallelism': '3' },
      at: 3,
    },
  ])('moves $rule', ({ labels, at }) => {
    const swarm = crowded(6);
    drainWith(swarm, labels);
    expect(watchDrain(swarm)).toEqual({ fewest: 6, most: at });
  });

  it('moves as many of a service as the service says, wherever they are', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(2);
    const Labels = { ...startFirst, 'shoal.drain.parallelism': '2' };
    swarm.create('web', { replicas: 6, spec: { Labels } });
    swarm.runUntil('running', () => swarm.running('web').length === 6);
    swarm.addNodes(2);
    drainWith(swarm, {});
    drainWith(swarm, {}, 'node2');
    let most = 0;
    let fewest = 6;
    swarm.runUntil('drained', () => {
      most = Math.max(most, swarm.live('web').length - 6);
      fewest = Math.min(fewest, swarm.running('web').length);
      return onNode(swarm, 'node1') + onNode(swarm, 'node2') === 0;
    });
    expect({ most, fewest }).toEqual({ most: 2, fewest: 6 });
  });

  it('takes what is not moved by the deadline the hard way', () => {
    const swarm = crowded(2, { ...startFirst, 'shoal.drain.deadline': '30s' });
    swarm.fate = ({ nodeId }) => (nodeId === 'node1' ? 'runs' : 'hangs');
    drainWith(swarm, {});
    swarm.run(29 * second);
    expect(onNode(swarm, 'node1')).toBe(2);
    swarm.run(2 * second);
    expect(onNode(swarm, 'node1')).toBe(0);
    swarm.fate = () => 'runs';
    swarm.runUntil('elsewhere', () => serving(swarm) === 2);
  });

  it('waits as long as it takes without a deadline', () => {
    const swarm = crowded(1, startFirst);
    swarm.setNodeState('node2', 'down');
    swarm.setNodeState('node3', 'down');
    drainWith(swarm, {});
    swarm.run(600 * second);
    expect(onNode(swarm, 'node1')).toBe(1);
    swarm.setNodeState('node2', 'ready');
    swarm.runUntil('moved', () => onNode(swarm, 'node2') === 1 && onNode(swarm, 'node1') === 0);
  });

  it('keeps the old task while the new one fails, and tries again after the delay', () => {
    const swarm = crowded(1, startFirst);
    swarm.fate = ({ nodeId }) => (nodeId === 'node1' ? 'runs' : 'fails at start');
    drainWith(swarm, {});
    swarm.run(12 * second);
    expect(onNode(swarm, 'node1')).toBe(1);
    expect(swarm.live('web1')).toHaveLength(2);
    swarm.fate = () => 'runs';
    swarm.runUntil('moved', () => isEmpty(swarm, 'node1'), 60 * second);
    expect(serving(swarm)).toBe(1);
  });

  it('does not try for ever what may not be restarted, and lets others pass', () => {
    const swarm = crowded(2, {}, { template: { RestartPolicy: { Condition: 'none' } } });
    swarm.fate = ({ serviceId, nodeId }) =>
      serviceId === 'web1' && nodeId !== 'node1' ? 'fails at start' : 'runs';
    drainWith(swarm, startFirst);
    swarm.run(60 * second);
    expect(swarm.tasks('web1')).toHaveLength(2);
    expect(swarm.running('web1')).toMatchObject([{ nodeId: 'node1' }]);
    expect(swarm.running('web2')).not.toMatchObject([{ nodeId: 'node1' }]);
  });

  it.each(['any', 'none'] as const)(
    'minds no failure of an update that was rolled back, under condition %s',
    (Condition) => {
      const UpdateConfig = {
        Parallelism: 1,
        Order: 'start-first',
        FailureAction: 'rollback',
      } as const;
      const template = { RestartPolicy: { Condition } };
      const swarm = crowded(1, startFirst, { template, spec: { UpdateConfig } });
      swarm.fate = ({ revision }) => (revision === 2 ? 'fails at start' : 'runs');
      const isRolledBack = () => swarm.service('web1').updateStatus?.state === 'rollback_completed';
      swarm.setImage('web1', 'busybox:bad');
      swarm.runUntil('rolled back', isRolledBack);
      drainWith(swarm, {});
      expect(watchDrain(swarm).fewest).toBe(1);
    },
  );

  it('minds no failure of an update that is rolled back while it drains', () => {
    const UpdateConfig = {
      Parallelism: 1,
      Order: 'start-first',
      FailureAction: 'rollback',
    } as const;
    const template = { RestartPolicy: { Condition: 'none' } } as const;
    const swarm = crowded(1, startFirst, { template, spec: { UpdateConfig } });
    swarm.fate = ({ revision }) => (revision === 2 ? 'fails at start' : 'runs');
    swarm.setImage('web1', 'busybox:bad');
    drainWith(swarm, {});
    expect(watchDrain(swarm).fewest).toBe(1);
    expect(swarm.running('web1')).toMatchObject([{ revision: 1 }]);
  });

  it.each(['any', 'none'] as const)(
    'tries anew after a drain that was called off, under condition %s',
    (Condition) => {
      const swarm = crowded(1, startFirst, { template: { RestartPolicy: { Condition } } });
      swarm.fate = ({ nodeId }) => (nodeId === 'node1' ? 'runs' : 'fails at start');
      drainWith(swarm, {});
      swarm.run(3 * second);
      swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
      swarm.run(30 * second);
      swarm.fate = () => 'runs';
      drainWith(swarm, {});
      expect(watchDrain(swarm).fewest).toBe(1);
    },
  );

  it('is called off when the node is active again', () => {
    const swarm = crowded(1, startFirst);
    const [old] = swarm.running('web1');
    swarm.fate = ({ nodeId }) => (nodeId === 'node1' ? 'runs' : 'hangs');
    drainWith(swarm, {});
    swarm.run(2 * second);
    swarm.changeNode('node1', ({ spec }) => ({ spec: { ...spec, Availability: 'active' } }));
    swarm.run(5 * second);
    expect(swarm.live('web1').map(({ id }) => id)).toEqual([old?.id]);
    expect(swarm.view.nodes.get('node1')?.drain).toBeUndefined();
    expect(messageOf(swarm)).toBe('');
  });

  it('goes on after the orchestrator was killed', () => {
    const swarm = crowded(5);
    drainWith(swarm, startFirst);
    for (let kills = 0; kills < 8; kills += 1) {
      swarm.run(300);
      swarm.stages[0]?.restart();
    }
    expect(watchDrain(swarm).fewest).toBe(5);
  });

  it('becomes a hard one when the node goes down', () => {
    const swarm = crowded(2, startFirst);
    drainWith(swarm, {});
    swarm.setNodeState('node1', 'down');
    swarm.runUntil('elsewhere', () => onNode(swarm, 'node2') + onNode(swarm, 'node3') === 2);
  });
});

describe('what a drain only stops', () => {
  it('tasks of global services', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(2);
    swarm.create('agent', { global: true });
    swarm.runUntil('running', () => swarm.running('agent').length === 2);
    drainWith(swarm, startFirst);
    swarm.run(5 * second);
    expect(swarm.live('agent').map(({ nodeId }) => nodeId)).toEqual(['node2']);
  });

  it.each([
    { what: 'a named local volume', labels: {}, mount: { Source: 'data' }, fewest: 0 },
    {
      what: 'one that may be left behind',
      labels: { 'shoal.volume-sticky': 'false' },
      mount: { Source: 'data' },
      fewest: 1,
    },
    { what: 'a volume without a name', labels: {}, mount: {}, fewest: 1 },
    {
      what: 'a volume that other nodes reach',
      labels: {},
      mount: { Source: 'data', VolumeOptions: { DriverConfig: { Name: 'nfs' } } },
      fewest: 1,
    },
  ])('tasks with $what: $fewest of one serves throughout', ({ labels, mount, fewest }) => {
    const Mounts = [{ Type: 'volume', Target: '/data', ...mount }] as const;
    const template = { ContainerSpec: { Image: 'busybox', Mounts } };
    const swarm = crowded(1, { ...startFirst, ...labels }, { template });
    drainWith(swarm, {});
    expect(watchDrain(swarm).fewest).toBe(fewest);
  });

  it('tasks that have yet to run', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator], fate: () => 'hangs' });
    swarm.addNodes(1);
    swarm.create('web', { spec: { Labels: startFirst } });
    swarm.run(2 * second);
    const [old] = swarm.live('web');
    swarm.addNodes(1);
    drainWith(swarm, {});
    swarm.settle();
    expect(swarm.task(old?.id ?? '').desired).toBe('shutdown');
  });
});

describe('progress of a drain', () => {
  it('is told as the status of the node, from first to last', () => {
    const swarm = crowded(3);
    drainWith(swarm, startFirst);
    swarm.settle();
    const told = new Set([messageOf(swarm)]);
    swarm.runUntil('drained', () => {
      told.add(messageOf(swarm));
      return onNode(swarm, 'node1') === 0;
    });
    expect([...told]).toEqual([
      'draining: 0 of 3 tasks have left',
      'draining: 1 of 3 tasks have left',
      'draining: 2 of 3 tasks have left',
      'drained: 3 tasks have left',
    ]);
  });

  it('leaves alone what is said of a node that is not heard of', () => {
    const swarm = crowded(1);
    swarm.changeNode('node1', ({ status }) => ({
      status: { ...status, state: 'down', message: 'heartbeat failure' },
    }));
    drainWith(swarm, {});
    swarm.run(5 * second);
    expect(messageOf(swarm)).toBe('heartbeat failure');
  });

  it('says nothing of a node that has nothing to run', () => {
    const swarm = crowded(1);
    drainWith(swarm, {}, 'node3');
    swarm.run(second);
    expect(messageOf(swarm, 'node3')).toBe('');
  });
});

describe('a drain and an update at once', () => {
  it('end with the new revision on the other nodes', () => {
    const swarm = new FakeSwarm({ stages: [createOrchestrator] });
    swarm.addNodes(3);
    const UpdateConfig = {
      Parallelism: 1,
      Order: 'start-first',
      Delay: second * nanoseconds,
    } as const;
    swarm.create('web', { replicas: 6, spec: { Labels: startFirst, UpdateConfig } });
    swarm.runUntil('running', () => swarm.running('web').length === 6);
    swarm.setImage('web', 'busybox:2');
    swarm.run(2 * second);
    drainWith(swarm, {});
    let fewest = 6;
    swarm.runUntil('done', () => {
      fewest = Math.min(fewest, swarm.running('web').length);
      return (
        onNode(swarm, 'node1') === 0 && swarm.service('web').updateStatus?.state === 'completed'
      );
    });
    expect(fewest).toBe(6);
    expect(swarm.live('web').map(({ revision }) => revision)).toEqual([2, 2, 2, 2, 2, 2]);
  });
});
