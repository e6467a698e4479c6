import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Node,
  type Revision,
  revisionId,
  type ServiceSpec,
  State,
  type StateView,
  type Task,
  type TaskState,
} from '@shoal/state';
import { expect, test } from 'vitest';
import { chainOf } from './chain.ts';

const now = 1_760_000_000_000 as Instant;
const meta = { version: 0 as LogIndex, createdAt: now, updatedAt: now };

const spec: ServiceSpec = {
  Name: 'web',
  Labels: {},
  TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 },
  Mode: { Replicated: { Replicas: 1 } },
};
const scaled: ServiceSpec = { ...spec, Mode: { Replicated: { Replicas: 2 } } };
const labelled: ServiceSpec = { ...spec, Labels: { a: '1' } };
const constrained: ServiceSpec = {
  ...spec,
  TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints: ['node.hostname!=host1'] } },
};
const rebuilt: ServiceSpec = {
  ...spec,
  TaskTemplate: { ...spec.TaskTemplate, ContainerSpec: { Image: 'busybox:2' } },
};

const aNode = (state: Node['status']['state'], Availability: 'active' | 'drain'): Node => ({
  id: 'n1',
  meta,
  spec: { Labels: {}, Role: 'worker', Availability },
  role: 'worker',
  description: {
    Hostname: 'host1',
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: { NanoCPUs: 2e9, MemoryBytes: 2e9 },
    Engine: { EngineVersion: '28.2.2', Plugins: [] },
  },
  status: { state, message: '', addr: '10.0.0.1', dispatcher: '' },
});

const up = aNode('ready', 'active');
const lost = aNode('down', 'active');
const drained = aNode('ready', 'drain');

function aTask(id: string, state: TaskState, change: Partial<Task> = {}): Task {
  const status = { state, at: now, message: '', err: '' };
  const desired = state === 'new' ? 'running' : 'shutdown';
  const place = { serviceId: 'web', slot: 1, nodeId: 'n1', revision: 1 };
  return { id, meta, ...place, desired, status, ...change };
}

/** A service that went through these specs, with tasks, the node that most are on, and another one. */
function viewOf(specs: readonly ServiceSpec[], node: Node, tasks: readonly Task[]): StateView {
  const state = new State();
  const endpoint = { revision: specs.length, ports: [], virtualIps: [] };
  const service = { id: 'web', meta, name: 'web', revision: specs.length, endpoint };
  const revisions = specs.map(
    (each, at): Revision => ({
      id: revisionId('web', at + 1),
      meta,
      serviceId: 'web',
      number: at + 1,
      spec: each,
    }),
  );
  const changes: readonly Change[] = [
    { op: 'create', table: 'node', object: node },
    { op: 'create', table: 'node', object: { ...up, id: 'n2' } },
    { op: 'create', table: 'service', object: service },
    ...revisions.map((object): Change => ({ op: 'create', table: 'revision', object })),
    ...tasks.map((object): Change => ({ op: 'create', table: 'task', object })),
  ];
  const index = 1 as LogIndex;
  const actor = { kind: 'user', name: 'test' } as const;
  const one = { id: 'w', actor, reason: 'test', decidedAt: index, changes };
  const { outcomes } = state.applyTransactions(index, now, [one]);
  expect(outcomes).toMatchObject([{ kind: 'committed' }]);
  return state.view;
}

function originOf(view: StateView, id: string): string | undefined {
  const task = view.tasks.get(id);
  const chain = task === undefined ? [] : chainOf(view, task);
  return chain.map(({ text }) => text).find((text) => text.startsWith(`${id} `));
}

test.each<[string, TaskState, Node, readonly ServiceSpec[], string]>([
  ['a crash', 'failed', up, [], 'which ended as failed'],
  ['a crash after a change of scale', 'failed', up, [scaled], 'which ended as failed'],
  ['a crash before a new image', 'failed', up, [rebuilt], 'which ended as failed'],
  [
    'a node lost after a change of labels',
    'running',
    lost,
    [labelled],
    'was on host1, which is down',
  ],
  [
    'a drain after a change of scale',
    'shutdown',
    drained,
    [scaled],
    'was on host1, which is drained',
  ],
  [
    'a constraint that its node does not meet',
    'shutdown',
    up,
    [constrained],
    'went from revision 1 to 2',
  ],
  ['a new image', 'shutdown', up, [rebuilt], 'went from revision 1 to 2'],
  ['a new image after a change of scale', 'shutdown', up, [scaled, rebuilt], 'revision 1 to 3'],
])('%s is the reason for what replaces a task', (_name, end, node, changes, reason) => {
  const specs = [spec, ...changes];
  const tasks = [aTask('a', end), aTask('b', 'new', { revision: specs.length })];
  const origin = originOf(viewOf(specs, node, tasks), 'b');
  expect(origin).toMatch(/^b replaces a/);
  expect(origin).toContain(reason);
});

test.each<[string, ServiceSpec['Mode'], RegExp]>([
  [
    'a slot of a job, which counts from 0, goes from node to node',
    { ReplicatedJob: { TotalCompletions: 1, MaxConcurrent: 1 } },
    /^b replaces a, which ended as failed$/,
  ],
  ['a task of every node is followed on its own', { Global: {} }, /^b was made for slot 0/],
  ['a job of every node too', { GlobalJob: {} }, /^b was made for slot 0/],
])('%s', (_name, Mode, origin) => {
  const tasks = [
    aTask('a', 'failed', { slot: 0 }),
    aTask('b', 'new', { slot: 0, nodeId: Mode.ReplicatedJob === undefined ? 'n2' : '' }),
  ];
  expect(originOf(viewOf([{ ...spec, Mode }], up, tasks), 'b')).toMatch(origin);
});
