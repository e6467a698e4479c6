import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Attachment,
  type Change,
  type Node,
  nodeAttachmentId,
  type PortConfig,
  type Revision,
  revisionId,
  type Service,
  State,
  type Task,
} from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { impliedRecords, taskNetworks } from './implied.ts';
import { nodeNetworks } from './node-networks.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];

let state: State;
let index: number;

beforeEach(() => {
  state = new State();
  index = 0;
  addNetwork('ingress', { Ingress: true });
  addNetwork('net', { DriverOptions: { 'com.docker.network.driver.mtu': '1400', encrypted: '' } });
  for (const id of ['n1', 'n2']) addNode(id);
  addService();
});

function write(...changes: readonly Change[]): void {
  index += 1;
  const actor = { kind: 'system', name: 'test' } as const;
  const transaction = { id: `t${index}`, actor, reason: '', decidedAt: 0 as LogIndex, changes };
  const { outcomes } = state.applyTransactions(index as LogIndex, index as Instant, [transaction]);
  expect(outcomes).toMatchObject([{ kind: 'committed' }]);
}

function addNetwork(id: string, more: object): void {
  const number = state.view.networks.size + 1;
  const base = { Name: `name-of-${id}`, Labels: {}, Driver: 'overlay', Internal: false };
  const spec = { ...base, Attachable: false, Ingress: false, Predefined: false, ...more };
  const subnet = {
    subnet: `10.0.${number}.0/24`,
    gateway: `10.0.${number}.1`,
    vni: 4_096 + number,
  };
  const allocation = { subnets: [subnet], at: 0 as Instant };
  write({ op: 'create', table: 'network', object: { id, meta, spec, allocation } });
}

function addNode(id: string): void {
  const object: Node = {
    id,
    meta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'ready', message: '', addr: `192.0.2.${id.slice(1)}`, dispatcher: '' },
  };
  write({ op: 'create', table: 'node', object });
}

function addService(): void {
  const service: Service = {
    id: 's',
    meta,
    name: 'web',
    revision: 1,
    endpoint: {
      revision: 1,
      ports: [
        { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8_080, PublishMode: 'ingress' },
        { Protocol: 'udp', TargetPort: 53, PublishedPort: 53, PublishMode: 'host' },
      ],
      virtualIps: [
        { networkId: 'net', addr: '10.0.2.9/24' },
        { networkId: 'ingress', addr: '10.0.1.9/24' },
      ],
    },
  };
  const revision: Revision = {
    id: revisionId('s', 1),
    meta,
    serviceId: 's',
    number: 1,
    spec: {
      Name: 'web',
      Labels: {},
      TaskTemplate: {
        ContainerSpec: { Image: 'i' },
        Networks: [{ Target: 'net', Aliases: ['www'], DriverOpts: { a: 'b' } }],
        ForceUpdate: 0,
      },
      Mode: { Replicated: { Replicas: 1 } },
    },
  };
  write(
    { op: 'create', table: 'service', object: service },
    { op: 'create', table: 'revision', object: revision },
  );
}

function addTask(more: Partial<Task> = {}): void {
  const task: Task = {
    id: 't',
    meta,
    serviceId: 's',
    slot: 3,
    nodeId: 'n1',
    revision: 1,
    desired: 'running',
    status: { state: 'running', at: 0 as Instant, message: '', err: '' },
    networks: [
      { networkId: 'net', addresses: ['10.0.2.11/24'] },
      { networkId: 'ingress', addresses: ['10.0.1.11/24'] },
    ],
    ...more,
  };
  write({ op: 'create', table: 'task', object: task });
}

function attach(more: Partial<Attachment>): void {
  const object: Attachment = {
    id: 'a',
    meta,
    networkId: 'net',
    nodeId: 'n1',
    kind: 'container',
    addresses: ['10.0.2.21/24'],
    ...more,
  };
  write({ op: 'create', table: 'attachment', object });
}

const implied = (networkId = 'net') => impliedRecords(state.view, networkId);
const service = {
  id: 's',
  name: 'web',
  aliases: ['www'],
  mode: 'vip',
  virtualIps: ['10.0.2.9'],
  ports: [],
};

test('a task that runs is a record in each of its networks, with ports in the ingress network', () => {
  addTask();
  const record = {
    networkId: 'net',
    endpointId: 't',
    kind: 'task',
    nodeId: 'n1',
    vtep: '192.0.2.1',
    addresses: ['10.0.2.11'],
    name: 'web.3.t',
    containerAliases: [],
    slot: 3,
    service,
    serving: true,
  };
  expect(implied()).toEqual([record]);
  expect(implied('ingress')).toEqual([
    {
      ...record,
      networkId: 'ingress',
      addresses: ['10.0.1.11'],
      service: {
        ...service,
        aliases: [],
        virtualIps: ['10.0.1.9'],
        ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }],
      },
    },
  ]);
});

describe('while an update changes a target port, tasks made before it are led to where they listen', () => {
  const mesh = (PublishedPort: number, TargetPort: number, more: Partial<PortConfig> = {}) =>
    ({ Protocol: 'tcp', TargetPort, PublishedPort, PublishMode: 'ingress', ...more }) as const;
  const open = (TargetPort: number, more: Partial<PortConfig> = {}) => mesh(0, TargetPort, more);
  const Name = 'http';
  const cases: readonly [string, PortConfig[], PortConfig[], readonly string[]][] = [
    ['of the same number', [mesh(8_080, 80)], [mesh(8_080, 8_000)], ['8080:80']],
    [
      'in another order',
      [mesh(8_080, 80), mesh(8_443, 443)],
      [mesh(8_443, 4_430), mesh(8_080, 8_000)],
      ['8443:443', '8080:80'],
    ],
    ['on the host before', [mesh(81, 80, { PublishMode: 'host' })], [mesh(81, 8_000)], ['81:80']],
    ['of another protocol', [mesh(53, 53, { Protocol: 'udp' })], [mesh(53, 54)], ['53:54']],
    ['that is new', [mesh(8_080, 80)], [mesh(8_080, 80), mesh(81, 81)], ['8080:80', '81:81']],
    ['open, by name', [open(9), open(80, { Name })], [mesh(30_001, 81, { Name })], ['30001:80']],
    ['open, by target', [open(80), open(9)], [mesh(30_001, 9)], ['30001:9']],
    ['open, by its place', [open(80)], [mesh(30_001, 8_000)], ['30001:80']],
    [
      'open, beside one that came',
      [open(80)],
      [mesh(30_001, 8_000), mesh(30_000, 80)],
      ['30001:8000', '30000:80'],
    ],
  ];
  test.each(cases)('a port %s', (_what, before, after, expected) => {
    addTask({ revision: addRevision(before) });
    const networks = [{ networkId: 'ingress', addresses: ['10.0.1.12/24'] }];
    addTask({ id: 'next', revision: addRevision(after, after), networks });
    const led = implied('ingress').map(({ service: of }) =>
      of?.ports.map(({ publishedPort, targetPort }) => `${publishedPort}:${targetPort}`),
    );
    const own = after.map(({ PublishedPort, TargetPort }) => `${PublishedPort}:${TargetPort}`);
    expect(led).toEqual([expected, own]);
  });
});

/** A revision that asks for the ports; with an endpoint the service's, for which it has been worked out. */
function addRevision(Ports: readonly PortConfig[], endpoint?: readonly PortConfig[]): number {
  const current = state.view.services.get('s');
  const first = state.view.revisions.of('s', 1);
  if (current === undefined || first === undefined) throw new Error('no service');
  const number = current.revision + 1;
  const ports = endpoint ?? current.endpoint.ports;
  const spec = { ...first.spec, EndpointSpec: { Ports } };
  write(
    {
      op: 'update',
      table: 'service',
      object: {
        ...current,
        revision: number,
        endpoint: { ...current.endpoint, revision: number, ports },
      },
    },
    {
      op: 'create',
      table: 'revision',
      object: { ...first, id: revisionId('s', number), number, spec },
    },
  );
  return number;
}

describe('a task is in a network from its start to its end, and served in between', () => {
  const cases: readonly [string, Partial<Task>, 'absent' | 'reachable' | 'serving'][] = [
    ['prepares', status('preparing'), 'absent'],
    ['is ready', status('ready'), 'absent'],
    ['starts', status('starting'), 'reachable'],
    ['runs', status('running'), 'serving'],
    ['runs and is unhealthy', status('running', 'unhealthy'), 'reachable'],
    ['is told to stop', { ...status('running'), desired: 'shutdown' }, 'reachable'],
    ['has failed', status('failed', 'exit'), 'absent'],
    ['was on a node that is gone', { ...status('running'), nodeId: '' }, 'absent'],
  ];
  test.each(cases)('when it %s', (_when, more, expected) => {
    addTask(more);
    const [record] = implied();
    const found = record === undefined ? 'absent' : record.serving ? 'serving' : 'reachable';
    expect(found).toBe(expected);
  });
});

function status(name: Task['status']['state'], err = ''): Partial<Task> {
  return { status: { state: name, at: 0 as Instant, message: '', err } };
}

test('on a node that is down nobody serves; who is there can still be reached', () => {
  addTask();
  attach({});
  const node = state.view.nodes.get('n1');
  if (node === undefined) throw new Error('no node');
  const down = { ...node, status: { ...node.status, state: 'down' as const } };
  const serving = () => implied().map((record) => record.serving);
  expect(serving()).toEqual([true, true]);
  write({ op: 'update', table: 'node', object: down });
  expect(serving()).toEqual([false, false]);
});

test('balancers are reachable, containers run by hand are found by their names', () => {
  attach({ id: nodeAttachmentId('net', 'n2'), nodeId: 'n2', kind: 'node' });
  attach({ addresses: ['10.0.2.22/24'], name: 'box' });
  attach({ id: 'b', addresses: [] });
  const [balancer, container, ...others] = implied();
  expect(others).toEqual([]);
  expect(balancer).toMatchObject({ endpointId: 'lb.n2', kind: 'balancer', serving: false });
  expect(balancer?.service).toBeUndefined();
  expect(container).toMatchObject({
    endpointId: 'a',
    kind: 'container',
    name: 'box',
    serving: true,
  });
});

test('an assignment has the networks in the order of the task, with a record that does not serve', () => {
  addTask();
  const task = state.view.tasks.get('t');
  if (task === undefined) throw new Error('no task');
  const networks = taskNetworks(state.view, task);
  expect(networks.map(({ networkId }) => networkId)).toEqual(['net', 'ingress']);
  expect(networks[0]).toMatchObject({ addresses: ['10.0.2.11/24'], driverOptions: { a: 'b' } });
  expect(networks[0]?.record).toEqual({ ...implied()[0], serving: false });
});

test('a node has the ingress network, and those of its tasks and containers that have not ended', () => {
  const ids = (nodeId: string) => nodeNetworks(state.view, nodeId).map(({ id }) => id);
  expect(ids('n1')).toEqual(['ingress']);
  addTask();
  attach({ id: nodeAttachmentId('net', 'n2'), nodeId: 'n2', kind: 'node' });
  expect([ids('n1'), ids('n2')]).toEqual([['ingress', 'net'], ['ingress']]);
  attach({ nodeId: 'n2', addresses: [] });
  expect(ids('n2')).toEqual(['ingress', 'net']);
  const task = state.view.tasks.get('t');
  if (task === undefined) throw new Error('no task');
  const failed: Task = { ...task, status: { ...task.status, state: 'failed' } };
  write({ op: 'update', table: 'task', object: failed });
  expect(ids('n1')).toEqual(['ingress']);
});

test('a network is told with what its user asked for and with this node’s balancer', () => {
  addTask();
  attach({ id: nodeAttachmentId('net', 'n1'), kind: 'node', addresses: ['10.0.2.3/24'] });
  const [, network] = nodeNetworks(state.view, 'n1');
  expect(network).toMatchObject({
    id: 'net',
    name: 'name-of-net',
    subnets: [{ subnet: '10.0.2.0/24', gateway: '10.0.2.1', vni: 4_098 }],
    encrypted: true,
    ingress: false,
    mtu: 1_400,
    balancerAddresses: ['10.0.2.3/24'],
  });
});

describe('the hosts of an encrypted network', () => {
  const key = (letter: string) => ({ PublicKey: `${letter.repeat(43)}=`, Port: 51_820 });
  function describeNode(id: string, Encryption: ReturnType<typeof key> | undefined): void {
    const node = state.view.nodes.get(id);
    if (node === undefined) throw new Error('no node');
    const description = {
      Hostname: id,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      ...{ Resources: {}, Engine: { EngineVersion: '', Plugins: [] }, Encryption },
    };
    write({ op: 'update', table: 'node', object: { ...node, description } });
  }
  const hosts = (nodeId: string) =>
    nodeNetworks(state.view, nodeId).map(({ id, encryptedHosts }) => [id, encryptedHosts]);

  beforeEach(() => {
    addTask();
    for (const nodeId of ['n1', 'n2']) {
      const id = nodeAttachmentId('net', nodeId);
      const addresses = [`10.0.2.3${nodeId.slice(1)}/24`];
      attach({ id, nodeId, kind: 'node', addresses });
    }
  });

  test('are told with their keys, apart from the host itself', () => {
    describeNode('n1', key('A'));
    describeNode('n2', key('B'));
    expect(hosts('n1')).toEqual([
      ['ingress', undefined],
      ['net', [{ nodeId: 'n2', vtep: '192.0.2.2', publicKey: key('B').PublicKey, port: 51_820 }]],
    ]);
  });

  test('are those that can encrypt', () => {
    describeNode('n2', undefined);
    expect(hosts('n1')).toEqual([
      ['ingress', undefined],
      ['net', []],
    ]);
  });

  test('have one key at each address: that of a host that is not down', () => {
    addNode('n3');
    const n3 = state.view.nodes.get('n3');
    if (n3 === undefined) throw new Error('no node');
    const status = { ...n3.status, state: 'down', addr: '192.0.2.2' } as const;
    write({ op: 'update', table: 'node', object: { ...n3, status } });
    attach({ id: nodeAttachmentId('net', 'n3'), nodeId: 'n3', kind: 'node' });
    describeNode('n2', key('B'));
    describeNode('n3', key('C'));
    expect(hosts('n1')[1]?.[1]).toMatchObject([{ nodeId: 'n2' }]);
  });
});
