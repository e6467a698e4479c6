import type { Node, Task } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetworkSite } from '../testing/fake-networks.ts';

const gibibyte = 1024 ** 3;
let site: NetworkSite;
let host: Node;

beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
  await site.init();
  const [node] = site.view.nodes.values();
  if (node === undefined) throw new Error('a swarm without a node');
  host = node;
});
afterEach(() => site.close());

/** Does what the agent of the host does, or who rules it. */
function write(node: Partial<Node>): void {
  const newest = site.view.nodes.get(host.id);
  site.host.log.write([{ op: 'update', table: 'node', object: { ...host, ...newest, ...node } }]);
}

/** Does what stages and agents do to the task. */
function writeTask(task: Task, changed: Partial<Task>): void {
  const newest = site.view.tasks.get(task.id);
  const object = { ...task, ...newest, ...changed };
  site.host.log.write([{ op: 'update', table: 'task', object }]);
}

function describeHost(): void {
  const Resources = {
    NanoCPUs: 4e9,
    MemoryBytes: 8 * gibibyte,
    GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }],
  };
  write({
    description: { ...host.description, Hostname: 'one', Resources } as Node['description'],
    status: { ...host.status, state: 'ready' },
  });
}

const Reservations = {
  NanoCPUs: 1.5e9,
  MemoryBytes: gibibyte,
  GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }],
};

function told(path: string): Promise<unknown> {
  return site.ask('GET', path).then(({ json }) => json);
}

test('what tasks have reserved counts from the moment they have their place, until they have ended', async () => {
  describeHost();
  const id = await site.serve('web', {}, { Resources: { Reservations } });
  const free = {
    tasks: 0,
    nanoCpus: { has: 4e9, reserved: 0 },
    memoryBytes: { has: 8 * gibibyte, reserved: 0 },
  };
  expect(await told('/shoal/v1/capacity')).toMatchObject({
    total: { nodes: 1, ...free },
    nodes: [{ ...free, state: 'ready', availability: 'active', node: { hostname: 'one' } }],
  });
  const task = site.addTask(id);
  const taken = {
    tasks: 1,
    nanoCpus: { has: 4e9, reserved: 1.5e9 },
    memoryBytes: { has: 8 * gibibyte, reserved: gibibyte },
  };
  expect(await told('/shoal/v1/capacity')).toMatchObject({
    total: { nodes: 1, ...taken },
    nodes: [{ ...taken, generic: [{ kind: 'gpu', has: 2, reserved: 1 }] }],
  });
  expect(await told('/shoal/v1/status')).toMatchObject({ capacity: { nodes: 1, ...taken } });
  writeTask(task, { status: { ...task.status, state: 'failed' } });
  expect(await told('/shoal/v1/capacity')).toMatchObject({ total: { nodes: 1, ...free } });
});

test.each<[string, () => void]>([
  ['drained', () => write({ spec: { ...host.spec, Availability: 'drain' } })],
  ['away', () => write({ status: { ...host.status, state: 'down' } })],
])('a node that is %s is shown, and adds nothing to what there is for tasks', async (_how, be) => {
  describeHost();
  be();
  expect(await told('/shoal/v1/capacity')).toMatchObject({
    total: { nodes: 0, nanoCpus: { has: 0 } },
    nodes: [{ nanoCpus: { has: 4e9 } }],
  });
});

test('places are those of tasks that are to run: jobs too, and none that has ended or is told to', async () => {
  const id = await site.serve('web');
  const task = site.addTask(id);
  const place = { id: task.id, service: id, slot: 1, node: host.id, state: 'running' };
  const places = async (changed: Partial<Task>): Promise<unknown> => {
    writeTask(task, changed);
    return ((await told('/shoal/v1/places')) as { tasks: unknown }).tasks;
  };
  expect(await places({})).toEqual([place]);
  expect(await places({ desired: 'complete' })).toEqual([place]);
  const failing = { ...task.status, err: 'it was lost' };
  expect(await places({ desired: 'complete', status: failing })).toEqual([
    { ...place, err: 'it was lost' },
  ]);
  expect(await places({ desired: 'shutdown' })).toEqual([]);
  const failed = { ...task.status, state: 'failed' } as const;
  expect(await places({ desired: 'shutdown', status: failed })).toEqual([]);
});
