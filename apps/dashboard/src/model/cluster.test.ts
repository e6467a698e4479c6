import { describe, expect, test } from 'vitest';
import {
  type Node,
  nodes as nodeList,
  type Service,
  type Status,
  services as serviceList,
  type Task,
  tasks as taskList,
} from '../api/shapes.ts';
import {
  byId,
  inOrder,
  managersStanding,
  matches,
  modeOf,
  nodesStanding,
  portsText,
  servicesStanding,
  stagesStanding,
  taskName,
  taskText,
  usersOf,
} from './cluster.ts';

const node = (ID: string, State = 'ready', Hostname = ID): Node =>
  nodeList.parse([
    {
      ID,
      CreatedAt: '',
      Spec: { Role: 'worker', Availability: 'active', Labels: null },
      Description: { Hostname },
      Status: { State },
    },
  ])[0] as Node;

const service = (more: object = {}, spec: object = {}): Service =>
  serviceList.parse([
    {
      ID: 's1',
      CreatedAt: '',
      UpdatedAt: '',
      Spec: { Name: 'web', TaskTemplate: {}, Mode: { Replicated: { Replicas: 1 } }, ...spec },
      ...more,
    },
  ])[0] as Service;

const task = (status: object, more: object = {}): Task =>
  taskList.parse([
    {
      ID: 't1',
      CreatedAt: '',
      ServiceID: 's1',
      DesiredState: 'running',
      Spec: {},
      Status: { State: 'running', Timestamp: '2026-11-23T12:00:00Z', ...status },
      ...more,
    },
  ])[0] as Task;

const status = (managers: object, more: object = {}): Status => ({
  logIndex: 1,
  managers: { total: 3, reachable: 3, needed: 2, quorum: true, ...managers },
  capacity: { tasks: 0, nanoCpus: { has: 0, reserved: 0 }, memoryBytes: { has: 0, reserved: 0 } },
  stages: [],
  services: { total: 0, converged: 0, unconverged: [] },
  networks: { total: 0, list: [] },
  ...more,
});

describe('how the managers stand', () => {
  test.each([
    [{ total: 1, reachable: 1, needed: 1 }, 'good', 'One manager: it may not be lost'],
    [{}, 'good', '3 managers, all can be reached: 1 of them may be lost'],
    [
      { total: 2, reachable: 2 },
      'good',
      '2 managers, all can be reached: none of them may be lost',
    ],
    [{ reachable: 2 }, 'warning', '2 of 3 managers can be reached: none may be lost'],
    [
      { total: 5, reachable: 4, needed: 3 },
      'warning',
      '4 of 5 managers can be reached: 1 more may be lost',
    ],
    [
      { reachable: 1, quorum: false },
      'bad',
      '1 of 3 managers can be reached, 2 are needed: nothing can be changed',
    ],
  ])('%j', (managers, tone, text) => {
    expect(managersStanding(status(managers))).toEqual({ tone, text });
  });
});

test('how services, nodes and stages stand', () => {
  const of = (total: number, converged: number) =>
    servicesStanding(status({}, { services: { total, converged, unconverged: [] } })).text;
  expect(of(0, 0)).toBe('No services yet');
  expect(of(4, 4)).toBe('All 4 services are as they should be');
  expect(of(4, 3)).toBe('1 of 4 services is not as it should be');
  expect(of(5, 3)).toBe('2 of 5 services are not as they should be');
  expect(nodesStanding([node('a'), node('b')])).toEqual({
    tone: 'good',
    text: '2 nodes, all ready',
  });
  expect(nodesStanding([node('a', 'down'), node('b')])).toEqual({ tone: 'bad', text: 'a is away' });
  const stages = [
    { stage: 'scheduler', alive: false },
    { stage: 'allocator', alive: true },
  ];
  expect(stagesStanding(status({}, { stages }))?.text).toBe(
    'no scheduler runs: what it does waits',
  );
  expect(stagesStanding(status({}))).toBeUndefined();
});

test('services as docker service ls has them', () => {
  expect(modeOf(service())).toBe('replicated');
  expect(modeOf(service({}, { Mode: { Global: {} } }))).toBe('global');
  expect(modeOf(service({}, { Mode: { ReplicatedJob: {} } }))).toBe('replicated job');
  expect(modeOf(service({}, { Mode: { GlobalJob: null } }))).toBe('global job');
  const Ports = [
    { TargetPort: 80, PublishedPort: 8080 },
    { TargetPort: 53, PublishedPort: 53, Protocol: 'udp', PublishMode: 'host' },
    { TargetPort: 90 },
  ];
  expect(portsText(service({ Endpoint: { Ports } }))).toBe(
    '*:8080\u219280/tcp, its node:53\u219253/udp',
  );
  expect(portsText(service({ Endpoint: {} }))).toBe('');
});

test('tasks are named as docker service ps names them', () => {
  const known = byId([service()]);
  const places = byId([node('n1', 'ready', 'alpha')]);
  expect(taskName(task({}, { Slot: 3 }), known, places)).toBe('web.3');
  expect(taskName(task({}, { NodeID: 'n1' }), known, places)).toBe('web.alpha');
  expect(taskName(task({}, { NodeID: 'gone' }), known, places)).toBe('web');
  expect(taskName(task({}, { ServiceID: 's2', Slot: 1 }), known, places)).toBe('s2.1');
});

test('tasks that should be there come first, by slot; what ended after them, the newest first', () => {
  const at = (ID: string, State: string, Slot: number, Timestamp: string) =>
    task({ State, Timestamp }, { ID, Slot });
  const all = [
    at('old', 'failed', 1, '2026-11-23T10:00:00Z'),
    at('two', 'running', 2, '2026-11-23T11:00:00Z'),
    at('new', 'shutdown', 2, '2026-11-23T12:00:00Z'),
    at('one', 'pending', 1, '2026-11-23T09:00:00Z'),
  ];
  expect(inOrder(all).map(({ ID }) => ID)).toEqual(['one', 'two', 'new', 'old']);
});

test.each([
  [{ Message: 'started' }, 'started'],
  [{ State: 'running', Message: 'running' }, ''],
  [
    { State: 'failed', Err: 'task: non-zero exit (3)', ContainerStatus: { ExitCode: 3 } },
    'task: non-zero exit (3)',
  ],
  [
    { State: 'failed', Err: 'killed', ContainerStatus: { ExitCode: 137 } },
    'killed (exit code 137)',
  ],
  [{ State: 'rejected', Err: 'no such image', ContainerStatus: null }, 'no such image'],
])('of a task with %j it is said: %s', (state, text) => {
  expect(taskText(task(state))).toBe(text);
});

test('who gets a secret, and who a config', () => {
  const Secrets = [{ SecretID: 'x' }];
  const user = service({}, { TaskTemplate: { ContainerSpec: { Secrets } } });
  const stored = { ID: 'x', CreatedAt: '', UpdatedAt: '', Spec: { Name: 'key', Labels: {} } };
  expect(usersOf(stored, 'secret', [user, service()])).toEqual([user]);
  expect(usersOf(stored, 'config', [user])).toEqual([]);
});

test.each([
  ['', true],
  ['WEB', true],
  ['web run', true],
  ['web fail', false],
])('filter %j', (filter, isShown) => {
  expect(matches(filter, 'web.1', 'running')).toBe(isShown);
});
