import type { NodeDescription, ServiceSpec, TaskTemplate } from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { FakeBoard, type NodeParts } from '../testing/fake-board.ts';

interface Row {
  readonly rule: string;
  readonly node?: NodeParts;
  readonly template?: Partial<TaskTemplate>;
  readonly spec?: Partial<ServiceSpec>;
  /** Empty when the node is fit. */
  readonly reason: string;
}

/** Why one node is unfit for a task; empty when it gets it. */
function reasonOf({ node, template, spec }: Row): string {
  const board = new FakeBoard();
  board.node('node1', node);
  board.network('mesh', { Driver: 'weave' });
  board.network('host', { Driver: 'host', Predefined: true });
  board.service('web', template, spec);
  const [id = ''] = board.tasks('web', 1);
  board.schedule();
  const { status } = board.task(id);
  // What follows is about the nearest node, see wait-text.test.ts.
  return status.state === 'assigned' ? '' : status.err.replace(/\): .*$/, ')');
}

function described(change: Partial<NodeDescription>): NodeParts {
  return {
    change: {
      description: {
        Hostname: 'node1',
        Platform: { Architecture: 'x86_64', OS: 'linux' },
        Resources: { NanoCPUs: 8e9, MemoryBytes: 16e9 },
        Engine: { EngineVersion: '28.2.2', Plugins: [] },
        ...change,
      },
    },
  };
}

const status = { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' } as const;
const spec = { Labels: {}, Role: 'worker', Availability: 'active' } as const;
const notReady = 'no suitable node (1 node not available for new tasks)';

describe('ready', () => {
  it.each<Row>([
    { rule: 'ready and active', reason: '' },
    { rule: 'down', node: { change: { status: { ...status, state: 'down' } } }, reason: notReady },
    {
      rule: 'unknown',
      node: { change: { status: { ...status, state: 'unknown' } } },
      reason: notReady,
    },
    {
      rule: 'disconnected',
      node: { change: { status: { ...status, state: 'disconnected' } } },
      reason: notReady,
    },
    {
      rule: 'paused',
      node: { change: { spec: { ...spec, Availability: 'pause' } } },
      reason: notReady,
    },
    {
      rule: 'drained',
      node: { change: { spec: { ...spec, Availability: 'drain' } } },
      reason: notReady,
    },
  ])('$rule', (row) => {
    expect(reasonOf(row)).toBe(row.reason);
  });
});

describe('resources', () => {
  const lacking = 'no suitable node (insufficient resources on 1 node)';
  const gpus = (amount: number) => [{ DiscreteResourceSpec: { Kind: 'gpu', Value: amount } }];
  const named = ['a', 'b'].map((Value) => ({ NamedResourceSpec: { Kind: 'gpu', Value } }));
  const reserve = (Reservations: object): Partial<TaskTemplate> => ({
    Resources: { Reservations },
  });
  const has = (GenericResources: ReturnType<typeof gpus> | typeof named): NodeParts =>
    described({ Resources: { NanoCPUs: 8e9, MemoryBytes: 16e9, GenericResources } });

  it.each<Row>([
    { rule: 'exactly all CPUs', template: reserve({ NanoCPUs: 8e9 }), reason: '' },
    { rule: 'more CPUs than there are', template: reserve({ NanoCPUs: 8e9 + 1 }), reason: lacking },
    { rule: 'exactly all memory', template: reserve({ MemoryBytes: 16e9 }), reason: '' },
    { rule: 'too much memory', template: reserve({ MemoryBytes: 17e9 }), reason: lacking },
    {
      rule: 'limits are no reservations',
      template: { Resources: { Limits: { NanoCPUs: 99e9 } } },
      reason: '',
    },
    {
      rule: 'generic, none there',
      template: reserve({ GenericResources: gpus(1) }),
      reason: lacking,
    },
    {
      rule: 'generic, enough',
      node: has(gpus(2)),
      template: reserve({ GenericResources: gpus(2) }),
      reason: '',
    },
    {
      rule: 'generic, too many',
      node: has(gpus(2)),
      template: reserve({ GenericResources: gpus(3) }),
      reason: lacking,
    },
    {
      rule: 'generic, named ones are counted',
      node: has(named),
      template: reserve({ GenericResources: gpus(2) }),
      reason: '',
    },
    {
      rule: 'generic, fewer names than asked',
      node: has(named),
      template: reserve({ GenericResources: gpus(3) }),
      reason: lacking,
    },
    {
      rule: 'a node that has not said what it has',
      node: { change: { description: undefined } },
      template: reserve({ NanoCPUs: 1 }),
      reason: lacking,
    },
  ])('$rule', (row) => {
    expect(reasonOf(row)).toBe(row.reason);
  });
});

describe('plugins', () => {
  const missing = 'no suitable node (missing plugin on 1 node)';
  const plugins = (...Plugins: { Type: string; Name: string }[]): NodeParts =>
    described({ Engine: { EngineVersion: '28.2.2', Plugins } });
  const volume = (Name: string): Partial<TaskTemplate> => ({
    ContainerSpec: {
      Image: 'busybox',
      Mounts: [{ Type: 'volume', Target: '/x', VolumeOptions: { DriverConfig: { Name } } }],
    },
  });

  it.each<Row>([
    { rule: 'volume driver missing', template: volume('rexray'), reason: missing },
    { rule: 'the local volume driver is everywhere', template: volume('local'), reason: '' },
    {
      rule: 'volume driver there',
      node: plugins({ Type: 'Volume', Name: 'rexray' }),
      template: volume('rexray'),
      reason: '',
    },
    {
      rule: 'volume driver there with the tag latest',
      node: plugins({ Type: 'Volume', Name: 'rexray:latest' }),
      template: volume('rexray'),
      reason: '',
    },
    {
      rule: 'bind mounts need no plugin',
      template: {
        ContainerSpec: {
          Image: 'busybox',
          Mounts: [{ Type: 'bind', Source: '/a', Target: '/x' }],
        },
      },
      reason: '',
    },
    {
      rule: 'log driver missing',
      node: plugins({ Type: 'Log', Name: 'json-file' }),
      template: { LogDriver: { Name: 'syslog' } },
      reason: missing,
    },
    {
      rule: 'log drivers unknown to the node are not judged',
      template: { LogDriver: { Name: 'syslog' } },
      reason: '',
    },
    {
      rule: 'log driver none',
      node: plugins({ Type: 'Log', Name: 'json-file' }),
      template: { LogDriver: { Name: 'none' } },
      reason: '',
    },
    {
      rule: 'network driver missing',
      template: { Networks: [{ Target: 'mesh' }] },
      reason: missing,
    },
    {
      rule: 'network driver there',
      node: plugins({ Type: 'Network', Name: 'weave' }),
      template: { Networks: [{ Target: 'mesh' }] },
      reason: '',
    },
    { rule: 'the host network', template: { Networks: [{ Target: 'host' }] }, reason: '' },
  ])('$rule', (row) => {
    expect(reasonOf(row)).toBe(row.reason);
  });
});

describe('the log driver of the cluster', () => {
  const tasks = { ContainerSpec: { Image: 'busybox' } };
  const labels = {};
  const usual = (Name: string) => ({ TaskDefaults: { LogDriver: { Name } } });

  it.each([
    ['is what a task needs that names none', tasks, ''],
    ['is not for a task that names one', { ...tasks, LogDriver: { Name: 'json-file' } }, 'node1'],
    ["is not for a task with the engine's", { ...tasks, LogDriver: { Name: '' } }, 'node1'],
  ])('%s', (_rule, template, nodeId) => {
    const board = new FakeBoard();
    const Plugins = [{ Type: 'Log', Name: 'json-file' }];
    board.node('node1', described({ Engine: { EngineVersion: '28.2.2', Plugins } }));
    board.cluster(labels, usual('syslog'));
    board.service('web', template);
    const [id = ''] = board.tasks('web', 1);
    board.schedule();
    expect(board.task(id).nodeId).toBe(nodeId);
    board.cluster(labels, usual('json-file'));
    board.schedule();
    expect(board.task(id).nodeId).toBe('node1');
  });
});

describe('constraints', () => {
  const unmet = 'no suitable node (scheduling constraints not satisfied on 1 node)';
  const constrained = (...Constraints: string[]): Partial<TaskTemplate> => ({
    Placement: { Constraints },
  });

  it.each<Row>([
    { rule: 'met', template: constrained('node.hostname == node1'), reason: '' },
    { rule: 'not met', template: constrained('node.hostname!=node1'), reason: unmet },
    {
      rule: 'one of two not met',
      template: constrained('node.role==worker', 'node.id==other'),
      reason: unmet,
    },
    {
      rule: 'a list that cannot be read constrains nothing',
      template: constrained('~'),
      reason: '',
    },
  ])('$rule', (row) => {
    expect(reasonOf(row)).toBe(row.reason);
  });
});

describe('platform', () => {
  const unsupported = 'no suitable node (unsupported platform on 1 node)';
  const on = (...Platforms: { Architecture?: string; OS?: string }[]): Partial<TaskTemplate> => ({
    Placement: { Platforms },
  });
  const arm = described({ Platform: { Architecture: 'aarch64', OS: 'linux' } });

  it.each<Row>([
    { rule: 'equal', template: on({ Architecture: 'x86_64', OS: 'linux' }), reason: '' },
    { rule: 'amd64 is x86_64', template: on({ Architecture: 'amd64', OS: 'linux' }), reason: '' },
    { rule: 'arm64 is aarch64', node: arm, template: on({ Architecture: 'arm64' }), reason: '' },
    { rule: 'other architecture', template: on({ Architecture: 'arm64' }), reason: unsupported },
    { rule: 'other system', template: on({ OS: 'windows' }), reason: unsupported },
    { rule: 'system alone', template: on({ OS: 'linux' }), reason: '' },
    { rule: 'one of several', template: on({ OS: 'windows' }, { OS: 'linux' }), reason: '' },
    {
      rule: 'a node that does not say',
      node: { change: { description: undefined } },
      template: on({ OS: 'linux' }),
      reason: unsupported,
    },
  ])('$rule', (row) => {
    expect(reasonOf(row)).toBe(row.reason);
  });
});

describe('max replicas per node', () => {
  it('limits the tasks of one service on one node', () => {
    const board = new FakeBoard();
    for (const id of ['node1', 'node2']) board.node(id);
    board.service('web', { Placement: { MaxReplicas: 2 } });
    const ids = board.tasks('web', 5);
    board.schedule();
    expect(board.counts()).toEqual({ node1: 2, node2: 2 });
    const left = ids.map((id) => board.task(id)).filter(({ nodeId }) => nodeId === '');
    expect(left.map(({ status: { err } }) => err)).toEqual([
      'no suitable node (max replicas per node limit exceed): node1 is closest, it has all 2 tasks of the service it may have',
    ]);
    expect(board.refusals).toEqual([]);
  });
});
