import type { Instant } from '@shoal/runtime';
import type { Actor, Attachment, Change, Outcome, Refusal, Task, Transaction } from '../index.ts';
import { create, remove, update } from './objects.ts';
import {
  allocation,
  at,
  cluster,
  clusterSpec,
  config,
  hostPort,
  index,
  ingress,
  jobSpec,
  manager,
  n2,
  ports,
  secret,
  spare,
  time,
  unallocated,
  web,
  webSpec,
  worker,
} from './recorded-objects.ts';

/**
 * What the recorded entries say, each object written out. Entries are only ever added at the end: recordings of
 * older builds hold the first of them, and are compared with what stands here.
 */
export interface RecordedEntry {
  readonly time: Instant;
  readonly transactions: readonly Transaction[];
  /** Of the transactions that are refused, by id. */
  readonly refused?: Readonly<Record<string, readonly [change: number, refusal: Refusal]>>;
}

const user: Actor = { kind: 'user', name: 'docker service create' };
const stage: Actor = { kind: 'stage', name: 'scheduler' };
const agent: Actor = { kind: 'agent', name: 'n2' };
const system: Actor = { kind: 'system', name: 'log' };
/** Granted by the second entry. */
const lease = { id: 'scheduler@n1/1', epoch: index(2) };

function said(id: string, actor: Actor, changes: readonly Change[], decidedAt = 0): Transaction {
  return { id, actor, reason: `for ${id}`, decidedAt: index(decidedAt), changes };
}

function underLease(id: string, changes: readonly Change[], decidedAt: number): Transaction {
  return { ...said(id, stage, changes, decidedAt), lease };
}

const begin = said('init', system, [create('cluster', cluster), create('node', manager)]);

const join = said('join', agent, [
  create('lease', {
    ...{ id: lease.id, meta: at(0), stage: 'scheduler' },
    ...{ nodeId: 'n1', address: '10.0.0.1:9000' },
  }),
  create('lease', {
    ...{ id: 'api@n1/1', meta: at(0), stage: 'api' },
    ...{ nodeId: 'n1', address: '' },
  }),
  // Alike, so that they are one since schema 2.
  ...['n2', 'n3', 'n4', 'n5'].map((id) => create('node', worker(id))),
]);

const things = said('things', user, [
  create('secret', secret('x1', {}, 0)),
  create('secret', secret('x2', {}, 0)),
  create('config', config('f1', {}, 0)),
  create('config', config('f2', {}, 0)),
  create('network', ingress),
  create('network', web),
  create('network', spare),
]);

const settled = underLease(
  'settled',
  [
    update('network', {
      ...{ ...ingress, meta: at(3) },
      allocation: {
        subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1', vni: 4_096 }],
        at: time(3_000),
      },
    }),
    update('network', { ...web, meta: at(3), allocation }),
    update('node', n2),
  ],
  3,
);

const webService = {
  ...{ id: 's1', meta: at(0), name: 'web', revision: 1 },
  endpoint: unallocated,
};
const services = said('services', user, [
  create('service', webService),
  create('revision', {
    ...{ id: 's1.1', meta: at(0), serviceId: 's1', number: 1, spec: webSpec },
    registryAuth: { sealed: 'auth' },
  }),
  create('service', {
    ...{ id: 's2', meta: at(0), name: 'job', revision: 1, endpoint: unallocated },
    jobStatus: { iteration: 0, revision: 1, lastExecution: time(4_000) },
    cron: { schedule: '@daily', servedUntil: time(0), lastRun: time(0), starting: true },
  }),
  create('revision', { id: 's2.1', meta: at(0), serviceId: 's2', number: 1, spec: jobSpec }),
]);

function task(id: string, slot: number, parts: Partial<Task> = {}): Task {
  return {
    ...{ id, meta: at(0), serviceId: 's1', slot, nodeId: '', revision: 1, desired: 'running' },
    status: { state: 'new', at: time(5_000), message: 'created', err: '' },
    ...parts,
  };
}

const endpoint = {
  ...{ revision: 1, ports },
  virtualIps: [
    { networkId: 'w0', addr: '10.0.0.2/24' },
    { networkId: 'w1', addr: '10.0.1.2/24' },
    { networkId: 'w1', addr: 'fd00:1::2/64' },
  ],
};
const tasks = underLease(
  'tasks',
  [
    ...[1, 2, 3, 4].map((slot) => create('task', task(`t${slot}`, slot))),
    create('task', { ...task('j0', 0, { serviceId: 's2', jobIteration: 0, desired: 'complete' }) }),
    create(
      'task',
      task('t0', 1, {
        desired: 'shutdown',
        movedFrom: 'n3',
        displaced: {
          by: 't1',
          at: time(5_000),
          reason: 'a task of higher priority needs the room',
        },
        restart: {
          ...{ delayMs: 5_000, failures: 1, moved: true },
          first: { failed: true, settledAt: time(4_500) },
        },
      }),
    ),
    update('service', { ...webService, meta: at(5), endpoint }),
  ],
  5,
);

const networks = (host: number) => [
  { networkId: 'w1', addresses: [`10.0.1.${host}/24`, `fd00:1::${host}/64`] },
  { networkId: 'w0', addresses: [`10.0.0.${host}/24`] },
];
const placed = (id: string, slot: number, parts: Partial<Task>): Task =>
  task(id, slot, {
    ...{ meta: at(6), networks: networks(10 + slot) },
    status: { state: 'pending', at: time(6_000), message: 'waits', err: 'no suitable node' },
    ...parts,
  });
const assigned = placed('t1', 1, {
  nodeId: 'n2',
  genericResources: [{ NamedResourceSpec: { Kind: 'gpu', Value: 'b' } }],
  status: { state: 'assigned', at: time(6_000), message: 'assigned', err: '' },
});
const home = { id: 's1.1', meta: at(0), serviceId: 's1', slot: 1, nodeId: 'n2', volumes: ['data'] };
const placing = underLease(
  'placing',
  [
    update('task', assigned),
    ...[2, 3, 4].map((slot) => update('task', placed(`t${slot}`, slot, {}))),
    create('volumeHome', home),
    create('volumeHome', { ...home, id: 's2.0', serviceId: 's2', slot: 0, nodeId: 'n3' }),
  ],
  6,
);

const byHand: Attachment = {
  ...{ id: 'a1', meta: at(0), networkId: 'w1', nodeId: 'n2', name: 'tool', wanted: '10.0.1.99' },
  kind: 'container',
  addresses: [],
};
const running: Task = {
  ...{ ...assigned, meta: at(7) },
  status: {
    ...{ state: 'running', at: time(7_500), message: 'started', err: '' },
    container: { id: '0123abcd', pid: 4_711, exitCode: 0 },
    startedAt: time(7_400),
    ports: [hostPort],
  },
};
const told = said('told', agent, [
  update('task', running),
  create('attachment', byHand),
  create('attachment', {
    ...{ id: 'w1.n2', meta: at(0), networkId: 'w1', nodeId: 'n2', kind: 'node' },
    addresses: ['10.0.1.3/24'],
  }),
  // What the transaction itself made has no version yet that it could name.
  update('attachment', { ...byHand, addresses: ['10.0.1.99/24'] }),
]);

const rolled = said('rolled', user, [
  create('revision', {
    ...{ id: 's1.2', meta: at(0), serviceId: 's1', number: 2 },
    spec: { ...webSpec, Labels: { tier: 'back' } },
    ...{ registryAuth: { sealed: 'auth' }, registryAuthFrom: 's1.1' },
  }),
  update('service', {
    ...{ ...webService, meta: at(6), revision: 2, previousRevision: 1, endpoint },
    updateStatus: {
      ...{ state: 'rollback_started', startedAt: time(8_000), completedAt: time(8_500) },
      ...{ message: 'rolled back', since: time(7_000) },
    },
  }),
  update('cluster', {
    ...{ ...cluster, meta: at(1), ingressMade: true, removedNodes: { n9: time(90_000) } },
    rootCa: {
      ...{ certificate: 'PEM', forceRotate: 1 },
      rotation: {
        ...{ certificate: 'PEM2', key: { sealed: 'ca2' }, crossSigned: 'PEM3' },
        startedAt: time(8_000),
      },
    },
  }),
  update('secret', secret('x1', { since: '9' }, 3)),
  update('config', config('f1', { since: '9' }, 3)),
  update('volumeHome', { ...home, meta: at(7), volumes: ['data', 'log'] }),
  update('lease', {
    ...{ id: 'api@n1/1', meta: at(2), stage: 'api', nodeId: 'n1', address: '10.0.0.1:2375' },
  }),
  update('node', {
    ...worker('n3'),
    meta: at(2),
    spec: { Labels: {}, Role: 'worker', Availability: 'drain' },
    drain: { since: time(8_000), tasks: 2 },
  }),
]);

const deleted = said('deleted', user, [
  remove('attachment', 'a1', 8),
  remove('task', 'j0', 6),
  remove('volumeHome', 's2.0', 7),
  remove('service', 's2', 5),
  remove('revision', 's2.1', 5),
  remove('network', 'w2', 3),
  remove('secret', 'x2', 3),
  remove('config', 'f2', 3),
  remove('lease', 'api@n1/1', 9),
  remove('node', 'n5', 2),
]);

/** What came to be said by the end of 2026-11-22, hours after schema 2. */
const sinceSchema2 = underLease(
  'since schema 2',
  [
    update('volumeHome', {
      ...{ ...home, meta: at(9), volumes: ['data', 'log'], unproven: ['log'] },
      former: [{ nodeId: 'n3', volumes: ['data'], unproven: [] }],
    }),
    update('node', {
      ...{ ...n2, meta: at(4), spec: { ...n2.spec, Labels: { zone: 'b' } } },
      ...(n2.description && { description: { ...n2.description, AdvertiseAddr: '192.0.2.2' } }),
    }),
    update('cluster', {
      ...{ ...cluster, meta: at(9) },
      spec: { ...clusterSpec, TaskDefaults: { LogDriver: { Name: 'local', Options: { a: 'b' } } } },
    }),
    create('service', {
      ...{ id: 's3', meta: at(0), name: 'timed', revision: 1, endpoint: unallocated },
      cron: { schedule: '@hourly', servedUntil: time(0), revision: 1 },
    }),
    create('revision', {
      ...{ id: 's3.1', meta: at(0), serviceId: 's3', number: 1, byRun: true },
      spec: { ...jobSpec, Name: 'timed' },
    }),
  ],
  11,
);

export const recordedHistory: readonly RecordedEntry[] = [
  { time: time(0), transactions: [begin] },
  { time: time(1_000), transactions: [join] },
  { time: time(2_000), transactions: [things] },
  { time: time(3_000), transactions: [settled] },
  { time: time(4_000), transactions: [services] },
  { time: time(5_000), transactions: [tasks] },
  { time: time(6_000), transactions: [placing] },
  { time: time(7_500), transactions: [told] },
  { time: time(8_000), transactions: [rolled] },
  {
    time: time(9_000),
    transactions: [
      { ...said('stale', stage, []), lease: { ...lease, epoch: index(1) } },
      said('twice', user, [create('secret', secret('x1', {}, 0))]),
      said('old', user, [remove('lease', 'api@n1/1', 2)]),
      said('fixed', user, [
        remove('lease', 'api@n1/1', 9),
        update('revision', {
          ...{ id: 's1.1', meta: at(5), serviceId: 's1', number: 1, spec: jobSpec },
        }),
      ]),
      said('ever', user, [remove('cluster', 'k1', 9)]),
    ],
    refused: {
      stale: [-1, { kind: 'stale-lease', lease: lease.id, epoch: index(1) }],
      twice: [0, { kind: 'already-exists', table: 'secret', id: 'x1' }],
      old: [
        0,
        {
          ...{ kind: 'version-conflict', table: 'lease', id: 'api@n1/1' },
          ...{ read: index(2), current: index(9) },
        },
      ],
      fixed: [1, { kind: 'immutable', table: 'revision', id: 's1.1', field: 'spec' }],
      ever: [0, { kind: 'immutable', table: 'cluster', id: 'k1', field: 'existence' }],
    },
  },
  { time: time(10_000), transactions: [deleted] },
  { time: time(11_000), transactions: [sinceSchema2] },
];

/** The outcomes of the entry at this index, 1 for the first. */
export function recordedOutcomes(number: number): readonly Outcome[] {
  const { transactions = [], refused = {} } = recordedHistory[number - 1] ?? {};
  return transactions.map(({ id: transaction }) => {
    const [change, refusal] = refused[transaction] ?? [];
    return change === undefined || refusal === undefined
      ? { kind: 'committed', transaction, index: index(number) }
      : { kind: 'refused', transaction, index: index(number), change, refusal };
  });
}
