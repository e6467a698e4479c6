import type { Instant } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createOrchestrator } from '../orchestrator.ts';
import { FakeSwarm, type SpecParts, second } from '../testing/index.ts';
import { aCluster } from '../testing/objects.ts';
import { moveMsMax } from './takeover.ts';

const perHour = 3_600;
const minuteMs = 60_000;

function swarmOf(nodes: number, labels: Readonly<Record<string, string>> = everySecond): FakeSwarm {
  const swarm = new FakeSwarm({ stages: [createOrchestrator] });
  const cluster = aCluster(5);
  const object = { ...cluster, spec: { ...cluster.spec, Labels: labels } };
  swarm.write([{ op: 'create', table: 'cluster', object }]);
  swarm.addNodes(nodes);
  return swarm;
}

const everySecond = {
  'shoal.rebalance': 'true',
  'shoal.rebalance.moves-per-hour': String(perHour),
};

function counts(swarm: FakeSwarm, service: string): number[] {
  return [...swarm.view.nodes.values()].map(
    ({ id }) => swarm.running(service).filter(({ nodeId }) => nodeId === id).length,
  );
}

function run(swarm: FakeSwarm, service: string, parts: SpecParts): void {
  swarm.create(service, parts);
  const wanted = parts.replicas ?? 1;
  swarm.runUntil('all run', () => swarm.running(service).length === wanted);
}

/** Time goes by in which nothing happens. */
function later(swarm: FakeSwarm, ms: number): void {
  swarm.now = (swarm.now + ms) as Instant;
}

const moves = (swarm: FakeSwarm, service: string): number =>
  swarm.tasks(service).filter(({ movedFrom }) => movedFrom !== undefined).length;

test('nothing moves unless somebody asks for it', () => {
  const swarm = swarmOf(1, {});
  run(swarm, 'web', { replicas: 4 });
  swarm.addNodes(1);
  swarm.run(20 * second);
  expect(counts(swarm, 'web')).toEqual([4, 0]);
});

test('after a node joined, tasks move to it start-first until the difference is one at most', () => {
  const swarm = swarmOf(2);
  run(swarm, 'web', { replicas: 6 });
  swarm.addNodes(1);
  swarm.run(20 * second, () => {
    expect(swarm.running('web').length).toBeGreaterThanOrEqual(6);
    return false;
  });
  expect(counts(swarm, 'web')).toEqual([2, 2, 2]);
  expect(moves(swarm, 'web')).toBe(2);
});

test('services of one replica move too, where nodes have many tasks in all and few', () => {
  const swarm = swarmOf(1);
  for (const name of ['a', 'b', 'c', 'd']) run(swarm, name, {});
  swarm.addNodes(1);
  swarm.run(20 * second);
  const onNew = ['a', 'b', 'c', 'd'].filter((name) => counts(swarm, name)[1] === 1);
  expect(onNew).toHaveLength(2);
});

test('the service label alone is enough, and says no where the cluster says yes', () => {
  const own = swarmOf(1, {});
  run(own, 'web', { replicas: 4, spec: { Labels: everySecond } });
  run(own, 'other', { replicas: 4 });
  own.addNodes(1);
  own.run(20 * second);
  expect([counts(own, 'web'), counts(own, 'other')]).toEqual([
    [2, 2],
    [4, 0],
  ]);
  const general = swarmOf(1);
  run(general, 'web', { replicas: 4, spec: { Labels: { 'shoal.rebalance': 'false' } } });
  general.addNodes(1);
  general.run(20 * second);
  expect(counts(general, 'web')).toEqual([4, 0]);
});

test('moves are spread over the hour', () => {
  const swarm = swarmOf(1, { ...everySecond, 'shoal.rebalance.moves-per-hour': '60' });
  run(swarm, 'web', { replicas: 8 });
  swarm.addNodes(1);
  swarm.run(2.5 * minuteMs);
  expect(moves(swarm, 'web')).toBe(3);
  swarm.run(5 * minuteMs);
  expect(counts(swarm, 'web')).toEqual([4, 4]);
});

describe('never moved are', () => {
  const volume = { Type: 'volume', Source: 'data', Target: '/data' } as const;
  test.each<[string, SpecParts]>([
    [
      'tasks with a local volume',
      { template: { ContainerSpec: { Image: 'busybox', Mounts: [volume] } } },
    ],
    ['tasks that are packed', { spec: { Labels: { 'shoal.rank': 'binpack' } } }],
    ['tasks that belong near others', { spec: { Labels: { 'shoal.affinity': 'db' } } }],
  ])('%s', (_name, parts) => {
    const swarm = swarmOf(1);
    run(swarm, 'web', { replicas: 4, ...parts });
    swarm.addNodes(1);
    swarm.run(20 * second);
    expect(moves(swarm, 'web')).toBe(0);
  });

  test('tasks of a service that is being updated', () => {
    const swarm = swarmOf(1);
    run(swarm, 'web', { replicas: 2, spec: { UpdateConfig: { Parallelism: 1, Delay: 600e9 } } });
    swarm.setImage('web', 'busybox:2');
    swarm.run(1_000);
    swarm.addNodes(1);
    swarm.run(20 * second);
    expect(moves(swarm, 'web')).toBe(0);
  });

  test('tasks to a node that cannot take them', () => {
    const swarm = swarmOf(1);
    const Resources = { Reservations: { NanoCPUs: 1e9 } };
    run(swarm, 'web', { replicas: 4, template: { Resources } });
    const description = { ...swarm.view.nodes.get('node1')?.description, Resources: {} };
    swarm.addNodes(1, { description } as never);
    swarm.run(20 * second);
    expect(moves(swarm, 'web')).toBe(0);
  });
});

describe('a move that fails', () => {
  test('is called off when its task does not run in time, and the old one goes on', () => {
    const swarm = swarmOf(1);
    run(swarm, 'web', { replicas: 2 });
    swarm.fate = ({ nodeId }) => (nodeId === 'node2' ? 'hangs' : 'runs');
    swarm.addNodes(1);
    swarm.runUntil('it moves', () => moves(swarm, 'web') === 1);
    later(swarm, moveMsMax);
    swarm.run(second);
    expect(counts(swarm, 'web')).toEqual([2, 0]);
    expect(swarm.live('web')).toHaveLength(2);
    expect(moves(swarm, 'web')).toBe(1);
  });

  test('is not tried again on the same node before an hour is over', () => {
    const swarm = swarmOf(1);
    run(swarm, 'web', { replicas: 2 });
    swarm.fate = ({ nodeId }) => (nodeId === 'node2' ? 'is rejected' : 'runs');
    swarm.addNodes(1);
    swarm.run(20 * second);
    later(swarm, 50 * minuteMs);
    swarm.run(20 * second);
    expect(moves(swarm, 'web')).toBe(1);
    swarm.fate = () => 'runs';
    later(swarm, 10 * minuteMs);
    swarm.run(20 * second);
    expect(counts(swarm, 'web')).toEqual([1, 1]);
  });
});

test('an update that begins while a move is under way is what counts', () => {
  const swarm = swarmOf(1);
  run(swarm, 'web', { replicas: 2 });
  swarm.fate = ({ nodeId, revision }) => (nodeId === 'node2' && revision === 1 ? 'hangs' : 'runs');
  swarm.addNodes(1);
  swarm.runUntil('it moves', () => moves(swarm, 'web') === 1);
  swarm.setImage('web', 'busybox:2');
  swarm.runUntil('it is updated', () => swarm.service('web').updateStatus?.state === 'completed');
  expect(swarm.running('web').every(({ revision }) => revision === 2)).toBe(true);
});

test('it converges from any placement, whatever nodes do, and never goes below the replicas', () => {
  const events = fc.array(fc.constantFrom('join', 'lose', 'return', 'scale', 'wait'), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 5 }),
      events,
      (nodes, replicas, all) => {
        const swarm = swarmOf(nodes);
        run(swarm, 'web', { replicas });
        run(swarm, 'api', { replicas: 1 });
        for (const event of all) {
          if (event === 'join') swarm.addNodes(1);
          if (event === 'lose') swarm.setNodeState('node1', 'down');
          if (event === 'return') swarm.setNodeState('node1', 'ready');
          if (event === 'scale') swarm.scale('web', replicas + 2);
          swarm.run(2 * second);
        }
        swarm.setNodeState('node1', 'ready');
        swarm.run(3 * minuteMs);
        // A move that failed, because its node was lost for instance, is tried again after an hour.
        later(swarm, 60 * minuteMs);
        swarm.run(3 * minuteMs);
        const settled = moves(swarm, 'web') + moves(swarm, 'api');
        const spread = counts(swarm, 'web');
        expect(Math.max(...spread) - Math.min(...spread)).toBeLessThanOrEqual(1);
        const running = swarm.running('web').length;
        swarm.run(10 * second, () => {
          expect(swarm.running('web')).toHaveLength(running);
          return false;
        });
        expect(moves(swarm, 'web') + moves(swarm, 'api')).toBe(settled);
      },
    ),
    { numRuns: 8 },
  );
});
