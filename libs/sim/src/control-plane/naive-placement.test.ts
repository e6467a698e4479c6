import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Meta,
  type Node,
  type NodeDescription,
  revisionId,
  type ServiceSpec,
  State,
  type StateView,
  type Task,
  type TaskTemplate,
} from '@shoal/state';
import { describe, expect, it } from 'vitest';
import { fits, meets, overcommitments, takenOn } from './naive-placement.ts';
import { crowdedSlots, SafetyCheck } from './safety.ts';

const now = 1_000_000 as Instant;
const meta: Meta = { version: 0 as LogIndex, createdAt: now, updatedAt: now };
const gpu = (Value: string) => ({ NamedResourceSpec: { Kind: 'gpu', Value } });

const description: NodeDescription = {
  Hostname: 'host',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: { NanoCPUs: 2e9, MemoryBytes: 1_000, GenericResources: [gpu('g1'), gpu('g2')] },
  Engine: { EngineVersion: 'fake', Labels: { kind: 'fast' }, Plugins: [] },
};

function node(id: string, change: Partial<Node> = {}): Node {
  return {
    id,
    meta,
    spec: { Labels: { zone: 'a' }, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description,
    status: { state: 'ready', message: '', addr: '', dispatcher: '' },
    ...change,
  };
}

function service(id: string, template: Partial<TaskTemplate>, parts: Partial<ServiceSpec> = {}) {
  const spec: ServiceSpec = {
    Name: id,
    Labels: {},
    TaskTemplate: { ContainerSpec: { Image: 'good' }, ForceUpdate: 0, ...template },
    Mode: { Replicated: { Replicas: 1 } },
    ...parts,
  };
  const endpoint = { revision: 0, ports: [], virtualIps: [] };
  const changes: Change[] = [
    { op: 'create', table: 'service', object: { id, meta, name: id, revision: 1, endpoint } },
    {
      op: 'create',
      table: 'revision',
      object: { id: revisionId(id, 1), meta, serviceId: id, number: 1, spec },
    },
  ];
  return changes;
}

function task(id: string, serviceId: string, change: Partial<Task> = {}): Task {
  const status = { state: 'running', at: now, message: '', err: '' } as const;
  return {
    id,
    meta,
    serviceId,
    slot: 1,
    nodeId: 'n1',
    revision: 1,
    desired: 'running',
    status,
    ...change,
  };
}

function make(object: Task): Change {
  return { op: 'create', table: 'task', object };
}

class Log {
  readonly state = new State();
  now = now;

  write(...changes: readonly Change[]): StateView {
    const { index } = this.state.view;
    const actor = { kind: 'user', name: 'fake' } as const;
    const transaction = { id: `${index}`, actor, reason: 'fake', decidedAt: index, changes };
    const { outcomes } = this.state.applyTransactions((index + 1) as LogIndex, this.now, [
      transaction,
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['committed']);
    return this.state.view;
  }
}

function viewOf(...changes: readonly Change[]): StateView {
  return new Log().write({ op: 'create', table: 'node', object: node('n1') }, ...changes);
}

/** One service alone beside a task of `other`, which takes one CPU, a GPU and port 80. */
const other = service(
  'other',
  {
    Resources: {
      Reservations: {
        NanoCPUs: 1e9,
        GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }],
      },
    },
  },
  {
    EndpointSpec: {
      Ports: [{ Protocol: 'tcp', TargetPort: 1, PublishedPort: 80, PublishMode: 'host' }],
    },
  },
);

describe('a task fits where there is room', () => {
  it.each<[string, boolean, Partial<TaskTemplate>, Partial<ServiceSpec>]>([
    ['it asks for nothing', true, {}, {}],
    ['the rest of the CPUs', true, { Resources: { Reservations: { NanoCPUs: 1e9 } } }, {}],
    ['more CPU than is left', false, { Resources: { Reservations: { NanoCPUs: 1.5e9 } } }, {}],
    [
      'more memory than there is',
      false,
      { Resources: { Reservations: { MemoryBytes: 1_001 } } },
      {},
    ],
    [
      'a constraint that holds',
      true,
      { Placement: { Constraints: ['node.labels.zone == A'] } },
      {},
    ],
    [
      'a constraint that fails',
      false,
      { Placement: { Constraints: ['engine.labels.kind!=fast'] } },
      {},
    ],
    [
      'the port that is taken',
      false,
      {},
      {
        EndpointSpec: {
          Ports: [{ Protocol: 'tcp', TargetPort: 2, PublishedPort: 80, PublishMode: 'host' }],
        },
      },
    ],
    [
      'two GPUs where one is taken',
      false,
      {
        Resources: {
          Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }] },
        },
      },
      {},
    ],
  ])('%s: %s', (_name, expected, template, parts) => {
    const held = task('held', 'other', { genericResources: [gpu('g1')] });
    const view = viewOf(...other, make(held), ...service('web', template, parts));
    const revision = view.revisions.of('web', 1);
    expect(revision !== undefined && fits(view, node('n1'), revision)).toBe(expected);
  });

  it('not beyond the replicas of a node, nor on one that is drained', () => {
    const view = viewOf(...service('web', { Placement: { MaxReplicas: 1 } }));
    const revision = view.revisions.of('web', 1);
    if (revision === undefined) throw new Error('no revision');
    expect(fits(view, node('n1'), revision)).toBe(true);
    const spec = { ...node('n1').spec, Availability: 'drain' } as const;
    expect(fits(view, node('n1', { spec }), revision)).toBe(false);
    const full = viewOf(
      ...service('web', { Placement: { MaxReplicas: 1 } }),
      make(task('one', 'web')),
    );
    expect(fits(full, node('n1'), revision)).toBe(false);
    expect(meets(node('n1'), revision)).toBe(true);
  });
});

it('what is taken beyond what the node has is told', () => {
  const held = task('held', 'other', { genericResources: [gpu('g1')] });
  const taken = takenOn(viewOf(...other, make(held)), 'n1');
  expect(overcommitments(node('n1'), taken)).toEqual([]);
  const Resources = { NanoCPUs: 0.5e9, MemoryBytes: 1, GenericResources: [] };
  const small = node('n1', { description: { ...description, Resources } });
  expect(overcommitments(small, taken)).toEqual([
    'node n1 is over-committed: 1000000000 nano-CPUs',
    'node n1 is over-committed: 1 of gpu',
  ]);
});

describe('what is looked at in every state', () => {
  it('two tasks in a slot, unless the new one starts first', () => {
    const both = [make(task('one', 'web')), make(task('two', 'web'))];
    expect(crowdedSlots(viewOf(...service('web', {}), ...both))).toHaveLength(1);
    const UpdateConfig = { Parallelism: 1, Order: 'start-first' } as const;
    expect(crowdedSlots(viewOf(...service('web', {}, { UpdateConfig }), ...both))).toEqual([]);
  });

  it('a task that fails and does not say why', () => {
    const log = new Log();
    const check = new SafetyCheck();
    const status = { state: 'failed', at: now, message: '', err: '' } as const;
    log.write({ op: 'create', table: 'node', object: node('n1') }, ...service('web', {}));
    check.look(log.write(make(task('one', 'web', { status }))), now);
    expect(check.violations).toEqual(['task one does not say why it ended']);
  });

  it('a task that leaves a drained node before another one ran', () => {
    const log = new Log();
    const check = new SafetyCheck();
    const spec = { ...node('n1').spec, Availability: 'drain' } as const;
    const Labels = { 'shoal.drain.order': 'start-first' };
    log.write(
      { op: 'create', table: 'node', object: node('n1', { spec }) },
      ...service('web', {}, { Labels }),
    );
    const before = log.write(make(task('one', 'web')));
    check.look(before, now);
    const one = before.tasks.get('one');
    if (one === undefined) throw new Error('no task');
    check.look(
      log.write({ op: 'update', table: 'task', object: { ...one, desired: 'shutdown' } }),
      now,
    );
    expect(check.violations).toEqual(['task one left its drained node before another one ran']);
  });

  it('an update that goes on after too much of it failed', () => {
    const log = new Log();
    const check = new SafetyCheck();
    const spec = { UpdateConfig: { Parallelism: 1, FailureAction: 'pause' } } as const;
    const web = service('web', {}, { ...spec, Mode: { Replicated: { Replicas: 2 } } });
    log.write({ op: 'create', table: 'node', object: node('n1') }, ...web);
    const old = log.write(make(task('one', 'web')), make(task('two', 'web', { slot: 2 })));
    const first = old.services.get('web');
    const revision = old.revisions.of('web', 1);
    if (first === undefined || revision === undefined) throw new Error('no service');
    log.now = (now + 1_000) as Instant;
    const updateStatus = { state: 'updating', startedAt: log.now, message: '' } as const;
    log.write(
      { op: 'update', table: 'service', object: { ...first, revision: 2, updateStatus } },
      {
        op: 'create',
        table: 'revision',
        object: { ...revision, id: revisionId('web', 2), number: 2 },
      },
    );
    const status = { state: 'failed', at: now, message: '', err: 'no' } as const;
    const late = (now + 60_000) as Instant;
    check.look(log.write(make(task('one-2', 'web', { revision: 2, status }))), now);
    expect(check.violations).toEqual([]);
    const next = task('two-2', 'web', {
      revision: 2,
      slot: 2,
      status: { ...status, state: 'new' },
    });
    check.look(log.write(make({ ...next, nodeId: '' })), late);
    expect(check.violations).toEqual([
      'an update of web goes on with task two-2 after 1 of 2 failed',
    ]);
  });
});
