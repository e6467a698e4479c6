// What happens to tasks when nodes are drained, join, leave, change their labels or lose power.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, join, nodeRows } from '../managers/swarm.ts';
import { type Swarm, sharedSwarm } from './fleet.ts';
import { Floor } from './floor.ts';
import {
  createHealthy,
  createIdle,
  deadlineMs,
  isRunning,
  order,
  removeServices,
  runs,
  says,
  taskRows,
} from './services.ts';

let swarm: Swarm;

beforeAll(async () => {
  swarm = await sharedSwarm();
});
beforeEach(() => swarm.fleet.explainFailure());
afterEach(() => removeServices(swarm.m1));

async function withDrained(node: Machine, body: () => Promise<void>): Promise<void> {
  const { m1 } = swarm;
  await order(m1, 'node', 'update', '--availability=drain', node.name);
  try {
    await body();
  } finally {
    await order(m1, 'node', 'update', '--availability=active', node.name);
  }
}

function isEmpty(node: Machine, service: string): Promise<boolean> {
  return node.containers(service).then(({ size }) => size === 0);
}

describe('a drained node', () => {
  test('gives its tasks to the others, and gets none', async () => {
    const { m1, m2 } = swarm;
    await createIdle(m1, 'web', ['--replicas=8']);
    const before = await runs(m1, 'web', 8);
    expect(before.map(({ node }) => node)).toContain('m2');
    await withDrained(m2, async () => {
      await eventually('m2 is empty', () => isEmpty(m2, 'web'), deadlineMs);
      await order(m1, 'service', 'scale', '--detach', 'web=9');
      const after = await runs(m1, 'web', 9);
      expect(after.map(({ node }) => node)).not.toContain('m2');
      expect(await isEmpty(m2, 'web')).toBe(true);
    });
  });

  test('starts replacements first where its label says so: nobody misses a task', async () => {
    const { m1, m2, fleet } = swarm;
    const replicas = 6;
    await createHealthy(m1, 'web', [`--replicas=${replicas}`]);
    const before = await runs(m1, 'web', replicas);
    expect(before.map(({ node }) => node)).toContain('m2');
    const floor = new Floor(fleet.machines, 'web');
    await eventually('all are healthy', () => floor.last === replicas, deadlineMs);
    floor.forget();
    await order(m1, 'node', 'update', '--label-add=shoal.drain.order=start-first', 'm2');
    await withDrained(m2, async () => {
      await eventually('m2 is empty', () => isEmpty(m2, 'web'), deadlineMs);
      const after = await runs(m1, 'web', replicas);
      expect(after.map(({ node }) => node)).not.toContain('m2');
      const { least, samples } = await floor.stop();
      expect(samples).toBeGreaterThan(10);
      expect(least).toBe(replicas);
    });
    await order(m1, 'node', 'update', '--label-rm=shoal.drain.order', 'm2');
  });
});

test('a global service follows constraints when labels change', async () => {
  const { m1 } = swarm;
  await createIdle(m1, 'probe', ['--mode=global', '--constraint=node.labels.probed!=no']);
  await runs(m1, 'probe', 4);
  await order(m1, 'node', 'update', '--label-add=probed=no', 'm3');
  const three = await runs(m1, 'probe', 3);
  expect(three.map(({ node }) => node).sort()).toEqual(['m1', 'm2', 'w1']);
  await order(m1, 'node', 'update', '--label-rm=probed', 'm3');
  await runs(m1, 'probe', 4);
});

test('a replicated service leaves a node whose labels no longer fit', async () => {
  const { m1 } = swarm;
  await order(m1, 'node', 'update', '--label-add=disk=ssd', 'm2');
  await createIdle(m1, 'db', ['--constraint=node.labels.disk==ssd']);
  expect(await runs(m1, 'db', 1)).toMatchObject([{ node: 'm2' }]);
  await order(m1, 'node', 'update', '--label-add=disk=ssd', 'm3');
  await order(m1, 'node', 'update', '--label-rm=disk', 'm2');
  await eventually(
    'it runs on m3',
    async () => (await taskRows(m1, 'db')).some((row) => isRunning(row) && row.node === 'm3'),
    deadlineMs,
  );
  await order(m1, 'node', 'update', '--label-rm=disk', 'm3');
});

test('a global service follows nodes that leave and join', async () => {
  const { m1, w1 } = swarm;
  await createIdle(m1, 'probe', ['--mode=global']);
  await runs(m1, 'probe', 4);
  await w1.docker('swarm', 'leave');
  await eventually(
    'w1 is down',
    async () => (await nodeRows(m1)).find(({ hostname }) => hostname === 'w1')?.status === 'Down',
    deadlineMs,
  );
  const three = await runs(m1, 'probe', 3);
  expect(three.map(({ node }) => node)).not.toContain('w1');
  await order(m1, 'node', 'rm', 'w1');
  await join(w1, m1, 'worker');
  await allReady(m1, 4);
  const four = await runs(m1, 'probe', 4);
  expect(four.map(({ node }) => node)).toContain('w1');
});

test('a task waits for the node that has its volume, says so, and finds its data there', async () => {
  const { m1, w1 } = swarm;
  await createIdle(
    m1,
    'db',
    ['--mount=type=volume,source=data,target=/data', '--constraint=node.hostname!=m1'],
    ['sh', '-c', 'hostname >>/data/starts; exec sleep 1d'],
  );
  const [home] = await runs(m1, 'db', 1);
  const machine = swarm.fleet.machine(home?.node ?? '');
  await machine.kill();
  try {
    const waiting = await says(m1, 'db', new RegExp(`volume data of slot 1 is on ${machine.name}`));
    expect(waiting).toMatchObject({ node: '' });
    expect(waiting.current).toMatch(/^Pending/);
  } finally {
    await machine.start();
  }
  expect(await runs(m1, 'db', 1)).toMatchObject([{ node: machine.name }]);
  const [container] = (await machine.containers('db')).values();
  const starts = await machine.engine('exec', container ?? '', 'cat', '/data/starts');
  expect(starts.trim().split('\n')).toHaveLength(2);
  await allReady(m1, 4);
  expect(w1.isUp).toBe(true);
});
