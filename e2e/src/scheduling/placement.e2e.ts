// Where tasks go, and what they say when there is no place for them.
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { type Swarm, sharedSwarm } from './fleet.ts';
import {
  apiTasks,
  countByNode,
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

test.each([
  ['node.role==worker', ['w1']],
  ['node.hostname!=m1', ['m2', 'm3', 'w1']],
  ['node.labels.disk==ssd', ['m2']],
])('constraint %s', async (constraint, nodes) => {
  const { m1 } = swarm;
  await order(m1, 'node', 'update', '--label-add=disk=ssd', 'm2');
  await createIdle(m1, 'bound', ['--mode=global', `--constraint=${constraint}`]);
  const rows = await runs(m1, 'bound', nodes.length);
  expect(rows.map(({ node }) => node).sort()).toEqual(nodes);
  await order(m1, 'node', 'update', '--label-rm=disk', 'm2');
});

test('replicas spread over the values of a label, then over the nodes that have it', async () => {
  const { m1 } = swarm;
  const zones = { m1: 'east', m2: 'west', m3: 'west', w1: 'west' };
  for (const [node, zone] of Object.entries(zones))
    await order(m1, 'node', 'update', `--label-add=zone=${zone}`, node);
  await createIdle(m1, 'even', ['--replicas=6', '--placement-pref=spread=node.labels.zone']);
  expect(countByNode(await runs(m1, 'even', 6))).toEqual({ m1: 3, m2: 1, m3: 1, w1: 1 });
});

describe('a task that fits nowhere says why', () => {
  test.each([
    [
      'constraints',
      ['--constraint=node.labels.no==such'],
      /no suitable node .*scheduling constraints not satisfied on 4 nodes/,
    ],
    ['memory', ['--reserve-memory=900g'], /no suitable node .*insufficient resources on 4 nodes/],
    ['CPU', ['--reserve-cpu=500'], /no suitable node .*insufficient resources on 4 nodes/],
    [
      'generic resources',
      ['--generic-resource=tpu=1'],
      /no suitable node .*insufficient resources on 4 nodes/,
    ],
  ])('%s', async (_what, flags, text) => {
    const { m1 } = swarm;
    await createIdle(m1, 'stuck', flags);
    const row = await says(m1, 'stuck', text);
    expect(row).toMatchObject({ desired: 'Running', node: '' });
    expect(row.current).toMatch(/^Pending/);
  });
});

test('generic resources are given out by name, and no more than there are', async () => {
  const { m1 } = swarm;
  await createIdle(m1, 'train', [
    '--replicas=3',
    '--constraint=node.role==worker',
    '--generic-resource=gpu=1',
  ]);
  await says(m1, 'train', /no suitable node .*insufficient resources on 1 node/);
  const containers = await eventually(
    'two of them run',
    async () => {
      const found = [...(await swarm.w1.containers('train')).values()];
      return found.length === 2 && found;
    },
    deadlineMs,
  );
  const gpus = await Promise.all(
    containers.map((id) => swarm.w1.engine('exec', id, 'sh', '-c', 'echo $DOCKER_RESOURCE_GPU')),
  );
  expect(gpus.map((gpu) => gpu.trim()).sort()).toEqual(['one', 'two']);
  await order(m1, 'service', 'update', '--detach', '--replicas=2', 'train');
  await runs(m1, 'train', 2);
});

test('no node gets more replicas than the service allows, and freed room is used at once', async () => {
  const { m1 } = swarm;
  await createIdle(m1, 'few', ['--replicas=6', '--replicas-max-per-node=1']);
  await says(m1, 'few', /no suitable node .*max replicas per node limit exceed/);
  const placed = (await taskRows(m1, 'few')).filter(({ node }) => node !== '');
  expect(countByNode(placed)).toEqual({ m1: 1, m2: 1, m3: 1, w1: 1 });
  await order(m1, 'service', 'update', '--detach', '--replicas-max-per-node=2', 'few');
  const counts = Object.values(countByNode(await runs(m1, 'few', 6)));
  expect(Math.max(...counts)).toBeLessThanOrEqual(2);
});

test('three schedulers that fill the swarm at once overfill no node', async () => {
  const { m1 } = swarm;
  const perNode = 5;
  const cpu = Number(await m1.docker('info', '--format', '{{.NCPU}}')) / perNode;
  // As many tasks each as a node holds: one service more than there are nodes.
  const names = ['one', 'two', 'three', 'four', 'five'];
  await Promise.all(
    names.map((name) => createIdle(m1, name, ['--replicas=0', `--reserve-cpu=${cpu}`])),
  );
  const scaled = names.map((name) => `${name}=${perNode}`);
  await order(m1, 'service', 'scale', '--detach', ...scaled);
  let most = 0;
  await eventually(
    'the swarm is full',
    async () => {
      const counts = await placedByNode(m1);
      most = Math.max(most, ...counts);
      return counts.length === 4 && counts.every((count) => count === perNode);
    },
    deadlineMs,
  );
  await order(m1, 'service', 'rm', 'one');
  await eventually(
    'all that are left run',
    async () => {
      most = Math.max(most, ...(await placedByNode(m1)));
      const rows = await Promise.all(names.slice(1).map((name) => taskRows(m1, name)));
      return rows.flat().filter(isRunning).length === 4 * perNode;
    },
    deadlineMs,
  );
  expect(most).toBe(perNode);
});

/** How many tasks each node has that should run, or that run though they should not. */
async function placedByNode(machine: Machine): Promise<readonly number[]> {
  const counts = new Map<string, number>();
  for (const { NodeID, DesiredState, Status } of await apiTasks(machine)) {
    if (NodeID === undefined || NodeID === '') continue;
    if (DesiredState !== 'running' && Status.State !== 'running') continue;
    counts.set(NodeID, (counts.get(NodeID) ?? 0) + 1);
  }
  return [...counts.values()];
}
