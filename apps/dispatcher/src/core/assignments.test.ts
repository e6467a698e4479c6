import { type Instant, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLog } from '@shoal/stage/testing';
import {
  type Cluster,
  decodeAssignment,
  type Network,
  revisionId,
  type Service,
  type Task,
  type TaskAssignment,
  type TaskState,
  type TaskTemplate,
} from '@shoal/state';
import { expect, test } from 'vitest';
import { assignmentOf } from './assignments.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
const sealed = { sealed: '' };
const file = { Name: 'json-file', Options: { 'max-size': '1m' } };
const auth = 'credentials';

interface Situation {
  readonly defaults?: Cluster['spec']['TaskDefaults'];
  readonly template?: Partial<TaskTemplate>;
  readonly networks?: readonly Network[];
  readonly state?: TaskState;
  readonly desired?: TaskState;
}

/** What the node of a task is told of it. */
function assigned(situation: Situation): TaskAssignment | undefined {
  const { defaults = {}, template, networks = [] } = situation;
  const { state = 'assigned', desired = 'running' } = situation;
  const log = new FakeLog({ clock: new FakeClock(), random: systemRandom });
  const cluster: Cluster = {
    id: 'c',
    meta,
    spec: { TaskDefaults: defaults } as Cluster['spec'],
    rootCa: { certificate: '', key: sealed },
    joinTokens: { worker: sealed, manager: sealed },
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4_789,
  };
  const endpoint = { revision: 0, ports: [], virtualIps: [] };
  const service: Service = { id: 's', meta, name: 'web', revision: 1, endpoint };
  const spec = {
    Name: 'web',
    Labels: {},
    TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0, ...template },
    Mode: { Replicated: { Replicas: 1 } },
  };
  const revision = { id: revisionId('s', 1), meta, serviceId: 's', number: 1, spec };
  log.write([
    { op: 'create', table: 'cluster', object: cluster },
    ...networks.map((object) => ({ op: 'create', table: 'network', object }) as const),
    { op: 'create', table: 'service', object: service },
    { op: 'create', table: 'revision', object: revision },
  ]);
  const task: Task = {
    id: 't',
    meta,
    serviceId: 's',
    slot: 1,
    nodeId: 'n',
    revision: 1,
    desired,
    status: { state, at: 0 as Instant, message: '', err: '' },
  };
  return assignmentOf(log.view, task, () => auth);
}

test.each([
  ["the service's own, over the cluster's", { LogDriver: { Name: 'syslog' } }, file, file],
  ["the cluster's", { LogDriver: file }, undefined, file],
  ["the cluster's options for the engine's driver", { LogDriver: {} }, undefined, { Name: '' }],
  ["the engine's, as the service says", { LogDriver: file }, { Name: '' }, { Name: '' }],
  ['none, where nobody names one', {}, undefined, undefined],
])('the log driver of a task is %s', (_what, defaults, LogDriver, driver) => {
  expect(assigned({ defaults, template: { LogDriver } })?.template.LogDriver).toEqual(driver);
});

test('an assignment is what agents read', () => {
  const assignment = assigned({});
  const sent = JSON.stringify(assignment);
  expect(decodeAssignment(Buffer.from(sent))).toEqual({ kind: 'ok', value: JSON.parse(sent) });
});

test.each<[what: string, state: TaskState, desired: TaskState, expected: string | undefined]>([
  ['is to run', 'assigned', 'running', auth],
  ['waits until it may start', 'assigned', 'ready', auth],
  ['is to stop', 'running', 'shutdown', undefined],
  ['is to go', 'running', 'remove', undefined],
  ['has failed', 'failed', 'running', undefined],
])('a task that %s comes with the credentials it needs', (_what, state, desired, expected) => {
  expect(assigned({ state, desired })?.registryAuth).toBe(expected);
});

function network(Name: string, Predefined: boolean): Network {
  const kind = { Driver: Predefined ? Name : 'overlay', Predefined };
  const spec = { Name, Labels: {}, Internal: false, Attachable: false, Ingress: false, ...kind };
  return { id: `id of ${Name}`, meta, spec };
}

test('an assignment names the networks that the engine of the node has itself', () => {
  const networks = [network('backend', false), network('host', true)];
  const template = { Networks: networks.map(({ id }) => ({ Target: id })) };
  expect(assigned({ networks, template })?.localNetworks).toEqual(['host']);
});
