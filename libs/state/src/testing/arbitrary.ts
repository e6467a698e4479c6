import type { Instant } from '@shoal/runtime';
import fc from 'fast-check';
import {
  type Attachment,
  type Change,
  type Config,
  type ContainerSpec,
  holdsOnNode,
  isBefore,
  type Lease,
  type Network,
  type Node,
  type Resources,
  type Revision,
  type Secret,
  type Service,
  type StateObject,
  type TableName,
  type Task,
  type TaskState,
  type Transaction,
  type VolumeHome,
  volumeHomeId,
} from '../index.ts';
import type { NaiveModel } from './naive-model.ts';
import {
  allocated,
  atMost,
  attachment,
  create,
  lease,
  meta,
  network,
  node,
  observed,
  publishing,
  remove,
  reserving,
  revision,
  service,
  spec,
  task,
  transaction,
  update,
} from './objects.ts';

/**
 * Random transactions in a world of few objects, so that they meet. What is drawn is a plan; it is
 * completed with the versions that the model has when its turn comes, so that many are committed.
 */
export interface PlannedChange {
  /** `write` creates what is not there and updates what is. */
  readonly op: 'write' | 'create' | 'update' | 'delete';
  readonly object: StateObject;
  readonly table: TableName;
  /** Which version an update or delete names. */
  readonly version: 'current' | 'stale' | 'none';
  /** `fixed`: an update of a task leaves alone what must not change; `forward`: its states too. */
  readonly lawful: 'forward' | 'fixed' | 'no';
}

export interface PlannedTransaction {
  readonly changes: readonly PlannedChange[];
  readonly lease: 'none' | 'held' | 'stale';
}

function weighted<T>(...choices: readonly (readonly [T, number])[]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([value, weight]) => ({ arbitrary: fc.constant(value), weight })));
}

const serviceIds = weighted(['s1', 4], ['s2', 5], ['s3', 2]);
const nodeIds = weighted(['n1', 12], ['n2', 4], ['n3', 1]);
const numbers = weighted([1, 8], [2, 1]);

const resources: fc.Arbitrary<Resources> = fc.record(
  {
    NanoCPUs: fc.constantFrom(0, 1, 2, 3),
    MemoryBytes: fc.constantFrom(0, 10, 20, 30),
    GenericResources: fc
      .constantFrom(1, 2, 4)
      .map((Value) => [{ DiscreteResourceSpec: { Kind: 'gpu', Value } }]),
  },
  { requiredKeys: [] },
);

/** Named resources that every node has, and one that none has. */
const fpgas = ['a', 'b'].map((Value) => ({ NamedResourceSpec: { Kind: 'fpga', Value } }));
const noFpga = { NamedResourceSpec: { Kind: 'fpga', Value: 'z' } };

const roles = weighted<Node['role']>(['worker', 2], ['manager', 1]);

export const nodes: fc.Arbitrary<Node> = fc
  .tuple(
    nodeIds,
    resources,
    fc.constantFrom('h1', 'h2'),
    fc.boolean(),
    roles,
    roles,
    weighted<Node['drain']>([undefined, 3], [{ since: 1_000 as Instant, tasks: 2 }, 1]),
  )
  .map(([id, has, hostname, described, Role, role, drain]) => {
    const GenericResources = [...(has.GenericResources ?? []), ...fpgas];
    const { description, ...made } = node(id, { ...has, GenericResources }, hostname);
    const bare = { ...made, spec: { ...made.spec, Role }, role, ...(drain && { drain }) };
    return described || id !== 'n3' ? { ...bare, description } : bare;
  });

/** Addresses of a small subnet, its broadcast address and one outside among them. */
const cidrs = fc.constantFrom(
  ...[2, 3, 4, 5, 6, 7, 9, 10].map((n) => `10.0.0.${n}/29`),
  '10.0.0.2/28',
);

const endpoints: fc.Arbitrary<Service['endpoint']> = fc
  .tuple(
    fc.option(fc.tuple(weighted(['w1', 6], ['w2', 1], ['w9', 1]), cidrs), {
      nil: undefined,
      freq: 1,
    }),
    fc.constantFrom([], [], [8080], [8080, 8081]),
  )
  .map(([address, ports]) => ({
    revision: 1,
    virtualIps: address === undefined ? [] : [{ networkId: address[0], addr: address[1] }],
    ports: ports.map((PublishedPort) => ({
      Protocol: 'tcp',
      TargetPort: 1,
      PublishedPort,
      PublishMode: 'ingress',
    })),
  }));

const services: fc.Arbitrary<Service> = fc
  .tuple(
    serviceIds,
    numbers,
    fc.option(numbers, { nil: undefined }),
    fc.integer({ max: 9, min: 0 }),
    fc.option(fc.constantFrom(0, 1), { nil: undefined }),
    endpoints,
  )
  .map(([id, number, previousRevision, clash, iteration, endpoint]) => ({
    ...service(id, clash === 0 ? 'S1' : id, number),
    endpoint,
    ...(previousRevision && { previousRevision }),
    ...(iteration !== undefined && {
      jobStatus: { iteration, revision: number, lastExecution: 1_000 as Instant },
      cron: { schedule: '@daily', servedUntil: 1_000 as Instant, starting: iteration === 1 },
      scaling: { replicas: iteration, changedAt: 1_000 as Instant, reason: 'load' },
    }),
  }));

const revisions: fc.Arbitrary<Revision> = fc
  .tuple(
    serviceIds,
    numbers,
    resources,
    fc.constantFrom(0, 0, 1, 2),
    fc.constantFrom([], [], ['w1'], ['w2', 'w1']),
    fc.constantFrom([], [], [80], [80, 80, 81]),
    weighted<'host' | 'ingress'>(['host', 3], ['ingress', 1]),
    weighted<Partial<ContainerSpec>>(
      [{}, 4],
      [{ Secrets: [{ SecretID: 'x1', SecretName: 'x1' }] }, 2],
      [{ Configs: [{ ConfigID: 'f1', ConfigName: 'f1' }] }, 1],
    ),
  )
  .map(([id, number, Reservations, MaxReplicas, attached, ports, PublishMode, given]) =>
    revision(id, number, {
      TaskTemplate: {
        ...spec(id).TaskTemplate,
        ContainerSpec: { Image: 'busybox', ...given },
        Resources: { Reservations },
        Placement: { MaxReplicas },
        Networks: attached.map((Target) => ({ Target })),
      },
      EndpointSpec: {
        Ports: ports.map((PublishedPort) => ({
          Protocol: 'tcp',
          TargetPort: 1,
          PublishedPort,
          PublishMode,
        })),
      },
    }),
  );

const observedStates = weighted<TaskState>(
  ['new', 2],
  ['pending', 2],
  ['assigned', 4],
  ['running', 4],
  ['complete', 1],
  ['failed', 1],
);

const displaced = { by: 't9', at: 1_000 as Instant, reason: 'another came first' };

const tasks: fc.Arbitrary<Task> = fc
  .record({
    id: fc.constantFrom('t1', 't2', 't3', 't4', 't5', 't6', 't7', 't8'),
    serviceId: serviceIds,
    slot: fc.constantFrom(0, 1, 2),
    nodeId: fc.oneof(fc.constant(''), nodeIds, nodeIds),
    revision: numbers,
    desired: weighted<TaskState>(['running', 12], ['complete', 1], ['shutdown', 1], ['remove', 1]),
    state: observedStates,
    message: fc.constantFrom('', 'started', 'hm'),
    iteration: weighted<number | undefined>([undefined, 12], [0, 2], [1, 1]),
    restart: weighted<Task['restart']>(
      [undefined, 4],
      [{ delayMs: 5_000, failures: 1 }, 1],
      [
        {
          delayMs: 0.5,
          failures: 0,
          moved: true,
          first: { failed: true, settledAt: 5 as Instant },
        },
        1,
      ],
    ),
    addresses: weighted<Task['networks']>(
      [undefined, 4],
      ...[2, 4, 5, 5, 9].map(
        (n) => [[{ networkId: 'w1', addresses: [`10.0.0.${n}/29`] }], 1] as const,
      ),
      [[{ networkId: 'w9', addresses: ['10.0.0.2/29'] }], 1],
      [[{ networkId: 'w1', addresses: ['10.0.0.6/29', '10.0.0.6/29'] }], 1],
    ),
    given: weighted([[], 6], [fpgas.slice(0, 1), 2], [fpgas, 1], [[...fpgas, noFpga], 1]),
  })
  .map(({ id, serviceId, state, message, iteration, given, restart, addresses, ...rest }) =>
    task(id, serviceId, {
      ...rest,
      status: observed(state, message),
      ...(iteration !== undefined && { jobIteration: iteration }),
      ...(given.length > 0 && { genericResources: given }),
      ...(rest.desired === 'shutdown' && { displaced }),
      ...(restart && { restart }),
      ...(addresses && { networks: addresses }),
    }),
  );

const allocations: fc.Arbitrary<Network['allocation']> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(undefined) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        weighted(['10.0.0.0/29', 2], ['10.0.0.8/29', 2], ['10.0.0.0/28', 1]),
        weighted(['10.0.0.1', 2], ['10.0.0.9', 2], ['10.0.0.2', 1]),
        fc.constantFrom(4096, 4097),
      )
      .map(([subnet, gateway, vni]) => ({
        subnets: [{ subnet, gateway, vni }],
        at: 1_000 as Instant,
      })),
  },
);

const reserved = { Configs: [{ AuxAddresses: { spare: '10.0.0.3', odd: 'none' } }] };

const networks: fc.Arbitrary<Network> = fc
  .tuple(
    fc.constantFrom('w1', 'w2'),
    fc.constantFrom('w1', 'w2', 'w2'),
    allocations,
    weighted([false, 3], [true, 1]),
    weighted([undefined, 3], [reserved, 1]),
  )
  .map(([id, name, allocation, Ingress, IPAM]) => {
    const made = network(id, name);
    const spec = { ...made.spec, Ingress, ...(IPAM && { IPAM }) };
    return { ...made, spec, ...(allocation && { allocation }) };
  });

const attachments: fc.Arbitrary<Attachment> = fc
  .tuple(
    fc.constantFrom('c1', 'c2', 'w1.n1'),
    weighted(['w1', 6], ['w2', 1]),
    nodeIds,
    fc.oneof(fc.constant(undefined), cidrs),
  )
  .map(([id, networkId, nodeId, address]) => {
    const made = attachment(id, networkId, ...(address === undefined ? [] : [address]));
    return id === 'w1.n1' ? { ...made, networkId: 'w1', kind: 'node' } : { ...made, nodeId };
  });

const leases: fc.Arbitrary<Lease> = fc
  .tuple(fc.constantFrom('l1', 'l2'), fc.constantFrom('scheduler', 'allocator'))
  .map(([id, stage]) => lease(id, stage));

const volumeHomes: fc.Arbitrary<VolumeHome> = fc
  .tuple(serviceIds, fc.constantFrom(1, 2), nodeIds)
  .map(([serviceId, slot, nodeId]) => ({
    ...{ id: volumeHomeId(serviceId, slot), meta: meta(), serviceId, slot, nodeId },
    ...{ volumes: ['data', 'log'], unproven: ['log'] },
    former: [{ nodeId: 'former', volumes: ['old'], unproven: ['old'] }],
  }));

const documents = (ids: readonly string[]) =>
  fc.record({
    id: fc.constantFrom(...ids),
    name: fc.constantFrom(...ids),
    data: weighted(['one', 4], ['two', 1]),
    label: fc.constantFrom('a', 'b'),
  });

const secrets: fc.Arbitrary<Secret> = documents(['x1', 'x2']).map(({ id, name, data, label }) => ({
  ...{ id, meta: meta(), spec: { Name: name, Labels: { label } } },
  data: { sealed: data },
}));

const configs: fc.Arbitrary<Config> = documents(['f1', 'f2']).map(({ id, name, data, label }) => ({
  ...{ id, meta: meta(), spec: { Name: name, Labels: { label } } },
  data,
}));

function planned<T extends StateObject>(
  table: TableName,
  objects: fc.Arbitrary<T>,
): fc.Arbitrary<PlannedChange> {
  return fc.record({
    op: weighted([table === 'revision' ? 'create' : 'write', 8], ['update', 1], ['delete', 2]),
    object: objects,
    table: fc.constant(table),
    version: weighted(['current', 18], ['stale', 1], ['none', 1]),
    lawful: weighted(['forward', 10], ['fixed', 3], ['no', 1]),
  });
}

const changes = fc.oneof(
  { weight: 2, arbitrary: planned('node', nodes) },
  { weight: 2, arbitrary: planned('service', services) },
  { weight: 2, arbitrary: planned('revision', revisions) },
  { weight: 12, arbitrary: planned('task', tasks) },
  { weight: 2, arbitrary: planned('network', networks) },
  { weight: 2, arbitrary: planned('attachment', attachments) },
  { weight: 1, arbitrary: planned('lease', leases) },
  { weight: 2, arbitrary: planned('secret', secrets) },
  { weight: 2, arbitrary: planned('config', configs) },
  { weight: 1, arbitrary: planned('volumeHome', volumeHomes) },
);

const transactions: fc.Arbitrary<PlannedTransaction> = fc.record({
  changes: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(changes) },
    { weight: 1, arbitrary: fc.array(changes, { minLength: 2, maxLength: 4 }) },
  ),
  lease: weighted(['none', 8], ['held', 2], ['stale', 1]),
});

/** Entries of transactions. */
export const histories = fc.array(fc.array(transactions, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 40,
  size: 'max',
});

/** What every history begins with, so that tasks find what they refer to. */
export const beginning: Transaction = transaction('beginning', [
  ...['n1', 'n2'].map((id) => create('node', node(id, { NanoCPUs: 4, MemoryBytes: 50 }))),
  create('network', allocated('w1', '10.0.0.0/29', 4096)),
  create('network', network('w2')),
  create('secret', {
    ...{ id: 'x1', meta: meta(), spec: { Name: 'x1', Labels: {} } },
    data: { sealed: 'one' },
  }),
  create('config', {
    ...{ id: 'f1', meta: meta(), spec: { Name: 'f1', Labels: {} } },
    data: 'one',
  }),
  ...[atMost('s1', 1), publishing('s2', 80), reserving('s3', { NanoCPUs: 3 })].flatMap((first) => [
    create('service', service(first.serviceId)),
    create('revision', first),
  ]),
  create('lease', lease('l1')),
]);

/** Completes a plan with what the model knows. */
export function complete(plan: PlannedTransaction, id: string, model: NaiveModel): Transaction {
  const epoch = model.find('lease', 'l1')?.meta.version ?? 0;
  const under = { id: 'l1', epoch: plan.lease === 'held' ? epoch : epoch + 1 };
  return transaction(
    id,
    plan.changes.map((change) => completeChange(change, model)),
    plan.lease === 'none' ? undefined : under,
  );
}

function completeChange(plan: PlannedChange, model: NaiveModel): Change {
  const { table, object } = plan;
  const current = model.find(table, object.id);
  const op = plan.op !== 'write' ? plan.op : current ? 'update' : 'create';
  const known = current?.meta.version ?? 0;
  const version = { current: known, stale: known + 1, none: 0 }[plan.version];
  if (op === 'delete') return remove(table, object.id, version);
  if (op === 'create') return create(table, object as never);
  const kept = plan.lawful === 'no' || !current ? object : tamed(table, current, object, plan);
  return update(table, { ...kept, meta: meta(version) } as never);
}

function tamed(
  table: TableName,
  current: StateObject,
  object: StateObject,
  { lawful }: PlannedChange,
): StateObject {
  if (table === 'task') return onward(current as Task, object as Task, lawful === 'forward');
  if (table === 'network') {
    const { allocation } = current as Network;
    return allocation === undefined ? object : ({ ...object, allocation } as Network);
  }
  if (table !== 'attachment') return object;
  const { addresses } = current as Attachment;
  return addresses.length === 0 ? object : ({ ...object, addresses } as Attachment);
}

/** What a writer that keeps to the rules would make of `before` on its way to `after`. */
function onward(before: Task, after: Task, forward: boolean): Task {
  const { serviceId, slot, revision: number, jobIteration } = before;
  const earlier = forward && isBefore(after.status.state, before.status.state);
  const milder = forward && isBefore(after.desired, before.desired);
  const { genericResources } = holdsOnNode(before) ? before : after;
  return {
    ...after,
    genericResources,
    networks: before.networks ?? after.networks,
    serviceId,
    slot,
    revision: number,
    jobIteration,
    nodeId: before.nodeId || after.nodeId,
    desired: milder ? before.desired : after.desired,
    status: earlier ? before.status : after.status,
  };
}
