import { describe, expect, test } from 'vitest';
import { type Change, describeRefusal, type Refusal, State, type Task } from './index.ts';
import { commit, imageOf, outcomeOf } from './testing/bytes.ts';
import {
  atMost,
  attached,
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
  task,
  transaction,
  update,
} from './testing/objects.ts';

// Every rule of the state machine, by name. Each case has a state, a transaction that breaks one rule
// as its last change, and the refusal that is due. Every refusal must leave no trace.

interface Case {
  readonly rule: string;
  /** Transactions committed before, one entry each: entry 1, 2, … */
  readonly given?: readonly (readonly Change[])[];
  readonly when: readonly Change[];
  readonly refusal: Refusal;
  /** Position of the breaking change in `when`, where it is not the last. */
  readonly breaks?: number;
}

const web = [create('service', service('web')), create('revision', revision('web'))];
const n1 = create('node', node('n1', { NanoCPUs: 2e9, MemoryBytes: 1_000 }));
const n2 = create('node', node('n2'));

function held(id: string, overrides: Partial<Task> = {}): Task {
  return task(id, 'web', { nodeId: 'n1', status: observed('assigned'), ...overrides });
}

function at<T extends { meta: unknown }>(object: T, version: number): T {
  return { ...object, meta: meta(version) };
}

function serviceMade(...made: readonly Change[]): readonly Change[] {
  return [create('service', service('web')), ...made];
}

const existence: readonly Case[] = [
  {
    rule: 'an id is created once',
    given: [[n1]],
    when: [n1],
    refusal: { kind: 'already-exists', table: 'node', id: 'n1' },
  },
  {
    rule: 'there is one cluster object',
    given: [[clusterCreation('c1')]],
    when: [clusterCreation('c2')],
    refusal: { kind: 'already-exists', table: 'cluster', id: 'c1' },
  },
  {
    rule: 'the cluster object stays',
    given: [[clusterCreation('c1')]],
    when: [remove('cluster', 'c1', 1)],
    refusal: fixed('cluster', 'c1', 'existence'),
  },
  {
    rule: 'what is updated exists',
    when: [update('node', node('n1'))],
    refusal: { kind: 'not-found', table: 'node', id: 'n1' },
  },
  {
    rule: 'what is deleted exists',
    when: [remove('task', 't1', 1)],
    refusal: { kind: 'not-found', table: 'task', id: 't1' },
  },
  {
    rule: 'what was deleted in the same transaction is gone',
    given: [[n1]],
    when: [remove('node', 'n1', 1), update('node', at(node('n1'), 1))],
    refusal: { kind: 'not-found', table: 'node', id: 'n1' },
  },
];

const versions: readonly Case[] = [
  {
    rule: 'an update names the current version',
    given: [[n1], [update('node', at(node('n1'), 1))]],
    when: [update('node', at(node('n1'), 1))],
    refusal: conflict('node', 'n1', 1, 2),
  },
  {
    rule: 'a delete names the current version',
    given: [[n1], [update('node', at(node('n1'), 1))]],
    when: [remove('node', 'n1', 1)],
    refusal: conflict('node', 'n1', 1, 2),
  },
  {
    rule: 'version 0 is for own creations alone',
    given: [[n1]],
    when: [update('node', at(node('n1'), 0))],
    refusal: conflict('node', 'n1', 0, 1),
  },
  {
    rule: 'the second write in a transaction names what the transaction read, not just anything',
    given: [[n1], [n2]],
    when: [update('node', at(node('n1'), 1)), update('node', at(node('n1'), 2))],
    refusal: conflict('node', 'n1', 2, 3),
  },
];

const names: readonly Case[] = [
  {
    rule: 'service names are unique without regard to case',
    given: [web],
    when: [create('service', service('other', 'WEB'))],
    refusal: { kind: 'name-conflict', table: 'service', name: 'WEB', holder: 'web' },
  },
  {
    rule: 'a service cannot take the name of another by update',
    given: [web, [create('service', service('b')), create('revision', revision('b'))]],
    when: [update('service', at(service('b', 'Web'), 2))],
    refusal: { kind: 'name-conflict', table: 'service', name: 'Web', holder: 'web' },
  },
  {
    rule: 'network names are unique',
    given: [[create('network', network('w1', 'front'))]],
    when: [create('network', network('w2', 'front'))],
    refusal: { kind: 'name-conflict', table: 'network', name: 'front', holder: 'w1' },
  },
  {
    rule: 'a network cannot take the name of another by update',
    given: [[create('network', network('w1')), create('network', network('w2'))]],
    when: [update('network', at(network('w2', 'w1'), 1))],
    refusal: { kind: 'name-conflict', table: 'network', name: 'w1', holder: 'w1' },
  },
];

const references: readonly Case[] = [
  {
    rule: 'a task is created for a service that exists',
    when: [create('task', task('t1', 'web'))],
    refusal: missing('task', 't1', 'service', 'web'),
  },
  {
    rule: 'a task is not created for a service that was deleted',
    given: [web, [remove('service', 'web', 1)]],
    when: [create('task', task('t1', 'web'))],
    refusal: missing('task', 't1', 'service', 'web'),
  },
  {
    rule: 'a task is created from a revision that exists',
    given: [web],
    when: [create('task', task('t1', 'web', { revision: 2 }))],
    refusal: missing('task', 't1', 'revision', 'web.2'),
  },
  {
    rule: 'a task is created on a node that exists',
    given: [web],
    when: [create('task', task('t1', 'web', { nodeId: 'n9' }))],
    refusal: missing('task', 't1', 'node', 'n9'),
  },
  {
    rule: 'a task is assigned to a node that exists',
    given: [web, [create('task', task('t1', 'web'))]],
    when: [update('task', at(held('t1', { nodeId: 'n9' }), 2))],
    refusal: missing('task', 't1', 'node', 'n9'),
  },
  {
    rule: 'a revision is created for a service that exists',
    when: [create('revision', revision('web'))],
    refusal: missing('revision', 'web.1', 'service', 'web'),
  },
  {
    rule: 'a service points at a revision that exists',
    when: [create('service', service('web'))],
    refusal: missing('service', 'web', 'revision', 'web.1'),
  },
  {
    rule: 'a service moves to a revision that exists',
    given: [web],
    when: [update('service', at(service('web', 'web', 2), 1))],
    refusal: missing('service', 'web', 'revision', 'web.2'),
  },
  {
    rule: 'a service rolls back to a revision that exists',
    given: [web],
    when: [update('service', { ...service('web'), previousRevision: 7, meta: meta(1) })],
    refusal: missing('service', 'web', 'revision', 'web.7'),
  },
  {
    rule: 'a revision names networks that exist',
    when: [create('revision', attached('web', 1, 'w9')), create('service', service('web'))],
    refusal: missing('revision', 'web.1', 'network', 'w9'),
    breaks: 0,
  },
  {
    rule: 'a service does not return to a revision whose network is gone',
    given: [
      [create('network', network('w1'))],
      serviceMade(create('revision', attached('web', 1, 'w1'))),
      [create('revision', revision('web', 2)), update('service', at(service('web', 'web', 2), 2))],
      [remove('network', 'w1', 1)],
    ],
    when: [update('service', at(service('web', 'web', 1), 3))],
    refusal: missing('service', 'web', 'network', 'w1'),
  },
];

const managers: readonly Case[] = [
  {
    rule: 'the last manager stays one',
    given: [[create('node', manager('m1')), n2]],
    when: [update('node', at(node('m1'), 1))],
    refusal: { kind: 'last-manager', node: 'm1' },
  },
  {
    rule: 'of two managers that are demoted together one is refused',
    given: [[create('node', manager('m1')), create('node', manager('m2'))]],
    when: [update('node', at(node('m1'), 1)), update('node', at(node('m2'), 1))],
    refusal: { kind: 'last-manager', node: 'm2' },
  },
  {
    rule: 'a manager is demoted before it is removed',
    given: [[create('node', manager('m1')), create('node', manager('m2'))]],
    when: [remove('node', 'm2', 1)],
    refusal: { kind: 'is-manager', node: 'm2' },
  },
  {
    rule: 'a manager on its way to be a worker stays until it is one',
    given: [[create('node', { ...node('m1'), role: 'manager' })]],
    when: [remove('node', 'm1', 1)],
    refusal: { kind: 'is-manager', node: 'm1' },
  },
];

const uses: readonly Case[] = [
  {
    rule: 'a node stays while a task on it has not stopped',
    given: [web, [n1], [create('task', held('t1'))]],
    when: [remove('node', 'n1', 2)],
    refusal: inUse('node', 'n1', 'task', 't1'),
  },
  {
    rule: 'a revision stays while it is the current one of its service',
    given: [web],
    when: [remove('revision', 'web.1', 1)],
    refusal: inUse('revision', 'web.1', 'service', 'web'),
  },
  {
    rule: 'a revision stays while its service can roll back to it',
    given: [
      web,
      [
        create('revision', revision('web', 2)),
        update('service', { ...service('web', 'web', 2), previousRevision: 1, meta: meta(1) }),
      ],
    ],
    when: [remove('revision', 'web.1', 1)],
    refusal: inUse('revision', 'web.1', 'service', 'web'),
  },
  {
    rule: 'a revision stays while a task was made from it, even a stopped one of a deleted service',
    given: [
      web,
      [create('task', task('t1', 'web', { status: observed('failed') }))],
      [remove('service', 'web', 1)],
    ],
    when: [remove('revision', 'web.1', 1)],
    refusal: inUse('revision', 'web.1', 'task', 't1'),
  },
  {
    rule: 'a network stays while a service is attached to it',
    given: [
      [create('network', network('w1'))],
      serviceMade(create('revision', attached('web', 1, 'w1'))),
    ],
    when: [remove('network', 'w1', 1)],
    refusal: inUse('network', 'w1', 'service', 'web'),
  },
  {
    rule: 'a network stays while a task that has not stopped is attached to it',
    given: [
      [create('network', network('w1'))],
      serviceMade(create('revision', attached('web', 1, 'w1'))),
      [create('task', task('t1', 'web'))],
      [remove('service', 'web', 2)],
    ],
    when: [remove('network', 'w1', 1)],
    refusal: inUse('network', 'w1', 'task', 't1'),
  },
];

const running = held('t1', { status: observed('running') });

const lives: readonly Case[] = [
  {
    rule: 'the observed state never moves back',
    given: [web, [n1], [create('task', running)]],
    when: [update('task', at({ ...running, status: observed('starting') }, 3))],
    refusal: movedBack('observed', 'running', 'starting'),
  },
  {
    rule: 'the desired state never moves back',
    given: [web, [n1], [create('task', { ...running, desired: 'shutdown' })]],
    when: [update('task', at(running, 3))],
    refusal: movedBack('desired', 'shutdown', 'running'),
  },
  {
    rule: 'a task stays on its node',
    given: [web, [n1, n2], [create('task', running)]],
    when: [update('task', at({ ...running, nodeId: 'n2' }, 3))],
    refusal: fixed('task', 't1', 'nodeId'),
  },
  {
    rule: 'a task is not taken from its node',
    given: [web, [n1], [create('task', running)]],
    when: [update('task', at({ ...running, nodeId: '' }, 3))],
    refusal: fixed('task', 't1', 'nodeId'),
  },
  {
    rule: 'a task stays with its service',
    given: [web, [n1], [create('task', running)]],
    when: [update('task', at({ ...running, serviceId: 'other' }, 3))],
    refusal: fixed('task', 't1', 'serviceId'),
  },
  {
    rule: 'a task keeps its slot',
    given: [web, [n1], [create('task', running)]],
    when: [update('task', at({ ...running, slot: 2 }, 3))],
    refusal: fixed('task', 't1', 'slot'),
  },
  {
    rule: 'a task of a job keeps its run',
    given: [web, [n1], [create('task', { ...running, jobIteration: 1 })]],
    when: [update('task', at({ ...running, jobIteration: 2 }, 3))],
    refusal: fixed('task', 't1', 'jobIteration'),
  },
  {
    rule: 'a task keeps its revision',
    given: [web, [n1], [create('task', running)]],
    when: [update('task', at({ ...running, revision: 2 }, 3))],
    refusal: fixed('task', 't1', 'revision'),
  },
  {
    rule: 'a revision never changes',
    given: [web],
    when: [update('revision', at(revision('web'), 1))],
    refusal: fixed('revision', 'web.1', 'spec'),
  },
];

function reserved(resources: Parameters<typeof reserving>[1]): readonly Change[] {
  return serviceMade(create('revision', reserving('web', resources)));
}

const gpus = (amount: number) => ({
  GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: amount } }],
});

const namedGpus = (...names: readonly string[]) => ({
  GenericResources: names.map((Value) => ({ NamedResourceSpec: { Kind: 'gpu', Value } })),
});

const room: readonly Case[] = [
  {
    rule: 'CPU reservations stay within the node',
    given: [reserved({ NanoCPUs: 1.5e9 }), [n1], [create('task', held('t1'))]],
    when: [create('task', held('t2'))],
    refusal: over('t2', 'n1', 'cpu', 1.5e9, 0.5e9),
  },
  {
    rule: 'memory reservations stay within the node',
    given: [reserved({ MemoryBytes: 600 }), [n1], [create('task', held('t1'))]],
    when: [create('task', held('t2'))],
    refusal: over('t2', 'n1', 'memory', 600, 400),
  },
  {
    rule: 'amounts of a generic resource stay within the node',
    given: [reserved(gpus(3)), [create('node', node('n1', gpus(5)))], [create('task', held('t1'))]],
    when: [create('task', held('t2'))],
    refusal: over('t2', 'n1', 'gpu', 3, 2),
  },
  {
    rule: 'named generic resources are counted',
    given: [
      reserved(gpus(2)),
      [
        create(
          'node',
          node('n1', {
            GenericResources: ['a', 'b', 'c'].map((Value) => ({
              NamedResourceSpec: { Kind: 'gpu', Value },
            })),
          }),
        ),
      ],
      [create('task', held('t1'))],
    ],
    when: [create('task', held('t2'))],
    refusal: over('t2', 'n1', 'gpu', 2, 1),
  },
  {
    rule: 'a named generic resource is given to one task at a time',
    given: [
      reserved(gpus(1)),
      [create('node', node('n1', namedGpus('a', 'b')))],
      [create('task', held('t1', { genericResources: namedGpus('a').GenericResources }))],
    ],
    when: [create('task', held('t2', { genericResources: namedGpus('a').GenericResources }))],
    refusal: over('t2', 'n1', 'gpu', 1, 0),
  },
  {
    rule: 'a named generic resource is not given twice to one task',
    given: [reserved(gpus(2)), [create('node', node('n1', namedGpus('a', 'b')))]],
    when: [create('task', held('t1', { genericResources: namedGpus('a', 'a').GenericResources }))],
    refusal: over('t1', 'n1', 'gpu', 1, 0),
  },
  {
    rule: 'a named generic resource must be the node’s',
    given: [reserved(gpus(1)), [create('node', node('n1', namedGpus('a')))]],
    when: [create('task', held('t1', { genericResources: namedGpus('z').GenericResources }))],
    refusal: over('t1', 'n1', 'gpu', 1, 0),
  },
  {
    rule: 'what a task was given stays while it holds it',
    given: [
      reserved(gpus(1)),
      [create('node', node('n1', namedGpus('a', 'b')))],
      [create('task', held('t1', { genericResources: namedGpus('a').GenericResources }))],
    ],
    when: [
      update('task', at(held('t1', { genericResources: namedGpus('b').GenericResources }), 3)),
    ],
    refusal: fixed('task', 't1', 'genericResources'),
  },
  {
    rule: 'a node without a description has no room',
    given: [reserved({ MemoryBytes: 1 }), [create('node', bare('n1'))]],
    when: [create('task', held('t1'))],
    refusal: over('t1', 'n1', 'memory', 1, 0),
  },
  {
    rule: 'a preassigned task needs room when it is assigned, not before',
    given: [
      reserved({ MemoryBytes: 600 }),
      [n1],
      [create('task', held('t1')), create('task', held('t2', { status: observed('pending') }))],
    ],
    when: [update('task', at(held('t2'), 3))],
    refusal: over('t2', 'n1', 'memory', 600, 400),
  },
  {
    rule: 'tasks of one transaction share the room',
    given: [reserved({ MemoryBytes: 600 }), [n1]],
    when: [create('task', held('t1')), create('task', held('t2'))],
    refusal: over('t2', 'n1', 'memory', 600, 400),
  },
  {
    rule: 'a host port is held by one task of a node',
    given: [
      serviceMade(create('revision', publishing('web', 80, 443))),
      [n1],
      [create('task', held('t1'))],
    ],
    when: [create('task', held('t2'))],
    refusal: { kind: 'host-port-taken', task: 't2', node: 'n1', port: 80, protocol: 'tcp' },
  },
  {
    rule: 'a node has no more replicas of a service than its maximum',
    given: [
      serviceMade(create('revision', atMost('web', 2))),
      [n1],
      [create('task', held('t1')), create('task', held('t2'))],
    ],
    when: [create('task', held('t3'))],
    refusal: { kind: 'too-many-replicas', task: 't3', node: 'n1', max: 2 },
  },
];

const cases = [
  ...existence,
  ...versions,
  ...names,
  ...references,
  ...managers,
  ...uses,
  ...lives,
  ...room,
] as const;

describe('a transaction that breaks a rule is refused whole', () => {
  test.each(cases)('$rule', ({ given = [], when, refusal, breaks = when.length - 1 }) => {
    const state = new State();
    for (const [number, changes] of given.entries())
      commit(state, transaction(`given ${number}`, changes));
    // Changes that would be committed alone come first: they must be undone.
    const harmless = [
      create('node', node('extra', {}, 'shared-name')),
      create('service', service('extra')),
      create('revision', revision('extra')),
      create('task', task('extra', 'extra', { nodeId: 'extra', status: observed('running') })),
    ];
    const twin = new State();
    const restore = twin.restore();
    for (const chunk of state.snapshot().chunks) restore.push(chunk);
    restore.finish();
    const outcome = outcomeOf(state, transaction('judged', [...harmless, ...when]));
    const change = harmless.length + breaks;
    expect(outcome).toMatchObject({ kind: 'refused', transaction: 'judged', change, refusal });
    expect(describeRefusal(refusal)).toMatch(/^.{20,200}$/);
    // The same entry without content leaves the same bytes.
    commit(twin);
    expect(imageOf(state).equals(imageOf(twin))).toBe(true);
    expect([...state.view.nodes.byHostname('shared-name')]).toEqual([]);
    expect(state.view.services.byName('extra')).toBeUndefined();
    expect([...state.view.tasks.byNode('extra')]).toEqual([]);
    expect(state.view.usage('extra').tasks).toBe(0);
  });

  test('every kind of refusal has a case', () => {
    const covered = new Set<string>(cases.map(({ refusal }) => refusal.kind));
    // Stale leases are judged before any change, see below.
    expect([...covered].sort()).toEqual(
      [
        'already-exists',
        'host-port-taken',
        'immutable',
        'in-use',
        'is-manager',
        'last-manager',
        'missing-reference',
        'name-conflict',
        'not-found',
        'over-capacity',
        'state-moved-back',
        'too-many-replicas',
        'version-conflict',
      ].sort(),
    );
  });
});

describe('a transaction under a lease', () => {
  const held = create('lease', lease('scheduler@n1/0'));

  test('is committed under the epoch that was granted', () => {
    const state = new State();
    commit(state, transaction('grant', [held]));
    commit(state, transaction('work', [n1], { id: 'scheduler@n1/0', epoch: 1 }));
    expect(state.view.nodes.size).toBe(1);
  });

  test.each([
    ['that is not held', 'nobody', 1],
    ['of a later time', 'scheduler@n1/0', 2],
  ])('is refused whole under a lease %s', (_case, id, epoch) => {
    const state = new State();
    commit(state, transaction('grant', [held]));
    const outcome = outcomeOf(state, transaction('work', [n1], { id, epoch }));
    const refusal = { kind: 'stale-lease', lease: id, epoch } as Refusal;
    expect(outcome).toEqual({
      kind: 'refused',
      transaction: 'work',
      index: 2,
      change: -1,
      refusal,
    });
    expect(describeRefusal(refusal)).toContain(id);
    expect(state.view.nodes.size).toBe(0);
  });

  test('is refused once the lease was granted again', () => {
    const state = new State();
    commit(state, transaction('grant', [held]));
    commit(state, transaction('again', [update('lease', at(lease('scheduler@n1/0'), 1))]));
    const outcome = outcomeOf(state, transaction('late', [n1], { id: 'scheduler@n1/0', epoch: 1 }));
    expect(outcome).toMatchObject({ change: -1, refusal: { kind: 'stale-lease', epoch: 1 } });
    commit(state, transaction('work', [n1], { id: 'scheduler@n1/0', epoch: 2 }));
  });
});

function clusterCreation(id: string): Change {
  const spec = {} as never;
  const sealed = { sealed: '' };
  return create('cluster', {
    id,
    meta: meta(),
    spec,
    rootCa: { certificate: '', key: sealed },
    joinTokens: { worker: sealed, manager: sealed },
    defaultAddressPool: ['10.0.0.0/8'],
    subnetSize: 24,
    dataPathPort: 4789,
  });
}

function manager(id: string) {
  const made = node(id);
  return { ...made, spec: { ...made.spec, Role: 'manager' }, role: 'manager' } as const;
}

function bare(id: string) {
  const { description: _none, ...rest } = node(id);
  return rest;
}

function conflict(table: 'node' | 'task', id: string, read: number, current: number): Refusal {
  return { kind: 'version-conflict', table, id, read, current } as Refusal;
}

type Name = Refusal & { kind: 'missing-reference' };

function missing(table: Name['table'], id: string, to: Name['table'], toId: string): Refusal {
  return { kind: 'missing-reference', table, id, referenced: to, referencedId: toId };
}

function inUse(table: Name['table'], id: string, by: Name['table'], byId: string): Refusal {
  return { kind: 'in-use', table, id, by, byId };
}

function movedBack(field: 'desired' | 'observed', from: string, to: string): Refusal {
  return { kind: 'state-moved-back', task: 't1', field, from, to };
}

function fixed(table: Name['table'], id: string, field: string): Refusal {
  return { kind: 'immutable', table, id, field };
}

function over(id: string, on: string, resource: string, asked: number, free: number): Refusal {
  return { kind: 'over-capacity', task: id, node: on, resource, asked, free };
}
