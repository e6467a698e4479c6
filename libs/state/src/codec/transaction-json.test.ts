import type { Instant } from '@shoal/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeTransaction,
  encodeTransaction,
  type Service,
  State,
  type VolumeHome,
} from '../index.ts';
import { beginning } from '../testing/arbitrary.ts';
import { applyNext, commit, imageOf, restored } from '../testing/bytes.ts';
import {
  allocated,
  attachment,
  create,
  lease,
  meta,
  network,
  node,
  publishing,
  remove,
  reserving,
  service,
  task,
  transaction,
  update,
} from '../testing/objects.ts';
import { changesMax, nestingMax, transactionBytesMax } from './format.ts';

const gpus = { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }] };

function home(parts: Partial<VolumeHome> = {}): VolumeHome {
  const whole = { id: 'd.1', meta: meta(), serviceId: 'd', slot: 1, nodeId: 'a' };
  return { ...whole, volumes: ['data'], ...parts };
}

const displaced = { by: 'g', at: 5 as Instant, reason: 'another came first' };

const mesh = allocated('w', '10.0.1.0/24', 4096);
const AuxAddresses = { spare: '10.0.1.200' };
const virtual: Service['endpoint'] = {
  revision: 1,
  ports: [{ Protocol: 'udp', TargetPort: 53, PublishedPort: 53, PublishMode: 'ingress' }],
  virtualIps: [{ networkId: 'w', addr: '10.0.1.7/24' }],
};

const load = { processors: 0.25, memoryBytes: 1_024 };

/** One of each kind of change, with every field that the state machine reads. */
const whole = transaction('whole', [
  create('node', node('a', { NanoCPUs: 4e9, MemoryBytes: 1_000, ...gpus })),
  create('network', network('b')),
  create('service', service('c')),
  create('revision', reserving('c', { NanoCPUs: 1e9, MemoryBytes: 10, ...gpus })),
  create('service', {
    ...service('d'),
    jobStatus: { iteration: 2, revision: 1, lastExecution: 5 as Instant },
    cron: {
      schedule: '@daily',
      servedUntil: 7 as Instant,
      lastRun: 6 as Instant,
      starting: true,
      revision: 1,
    },
    scaling: {
      replicas: 4,
      changedAt: 8 as Instant,
      reason: 'load',
      fewer: { since: 9 as Instant, most: 3 },
    },
  }),
  create('revision', { ...publishing('d', 80, 81), byRun: true }),
  create('task', task('e', 'c')),
  update('task', task('e', 'c', { nodeId: 'a' })),
  create('task', task('g', 'd', { desired: 'complete', jobIteration: 2 })),
  create('task', task('m', 'd', { movedFrom: 'n1' })),
  create('task', task('q', 'd', { status: { ...task('q', 'd').status, load } })),
  create('lease', lease('f')),
  create('volumeHome', home({ unproven: ['data'], former: [{ nodeId: 'b', volumes: ['old'] }] })),
  create('task', task('h', 'd', { displaced })),
  create('network', { ...mesh, spec: { ...mesh.spec, IPAM: { Configs: [{ AuxAddresses }] } } }),
  create('attachment', { ...attachment('o', 'w', '10.0.1.9/24'), nodeId: 'a', wanted: '10.0.1.9' }),
  create('task', task('p', 'd', { networks: [{ networkId: 'w', addresses: ['10.0.1.8/24'] }] })),
  update('service', { ...service('c'), endpoint: virtual }),
  remove('lease', 'f', 0),
]);

function bytesOf(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

function messageOf(bytes: Uint8Array): string {
  const decoded = decodeTransaction(bytes);
  return decoded.kind === 'malformed' ? decoded.message : 'ok';
}

describe('a transaction as JSON', () => {
  test('comes back as it was', () => {
    expect(decodeTransaction(encodeTransaction(whole))).toEqual({ kind: 'ok', transaction: whole });
    commit(new State(), whole);
  });

  const bad: readonly [string, unknown, RegExp][] = [
    ['is an object', [], /JSON object/],
    ['has an id', { ...whole, id: '' }, /id of 1 to/],
    ['has a known kind of actor', { ...whole, actor: { kind: 'robot', name: '' } }, /actor.kind/],
    ['has an actor with a name', { ...whole, actor: { kind: 'user' } }, /actor.name/],
    ['has a reason', { ...whole, reason: 7 }, /reason/],
    ['says what it was decided on', { ...whole, decidedAt: -1 }, /decidedAt/],
    ['names lease and epoch', { ...whole, lease: { id: 'l' } }, /lease/],
    ['has a list of changes', { ...whole, changes: {} }, /list of at most/],
    ['has a bounded list of changes', many(changesMax + 1), /list of at most/],
    ['has changes that are objects', changing(null), /change 0: not a JSON object/],
    ['has known operations', changing({ op: 'drop', table: 'node' }), /create, update or delete/],
    ['has known tables', changing({ op: 'delete', table: 'constructor' }), /no such table/],
    ['deletes by id', changing({ op: 'delete', table: 'node', version: 1 }), /id and a version/],
    ['deletes a version', changing({ op: 'delete', table: 'node', id: 'a' }), /id and a version/],
    ['creates objects', changing({ op: 'create', table: 'node' }), /the node is no object/],
    ['creates objects with ids', changing(create('node', node(''))), /no id of 1 to/],
    ['bounds ids', changing(create('node', node('x'.repeat(257)))), /no id of 1 to/],
    [
      'updates versions',
      changing({ ...update('node', node('a')), object: bare() }),
      /meta.version/,
    ],
    ['knows task states', task1({ desired: 'toString' }), /unknown desired/],
    ['knows observed states', task1({ status: { state: 'gone' } }), /unknown status.state/],
    ['has slots from 0', task1({ slot: -1 }), /slot/],
    ['has whole slots', task1({ slot: 0.5 }), /slot/],
    ['has revisions from 1', task1({ revision: 0 }), /revision/],
    ['has runs from 0', task1({ jobIteration: -1 }), /jobIteration/],
    ['moved from nowhere', task1({ movedFrom: '' }), /movedFrom/],
    ['has whole displacements', task1({ displaced: { by: 'g', at: 1 } }), /displaced/],
    ['fits ids of homes', changing(create('volumeHome', home({ slot: 2 }))), /does not fit/],
    ['has homes on nodes', changing(create('volumeHome', home({ nodeId: '' }))), /no nodeId/],
    ['names volumes', changing(create('volumeHome', home({ volumes: [1] as never }))), /volumes/],
    [
      'has homes that are or are not',
      changing(create('volumeHome', home({ unproven: 1 as never }))),
      /malformed unproven/,
    ],
    [
      'has former homes on nodes',
      changing(create('volumeHome', home({ former: [{ nodeId: '', volumes: ['old'] }] }))),
      /malformed former/,
    ],
    [
      'names the unproven volumes of former homes',
      changing(
        create(
          'volumeHome',
          home({ former: [{ nodeId: 'b', volumes: [], unproven: 1 as never }] }),
        ),
      ),
      /malformed former/,
    ],
    [
      'names volumes of former homes',
      changing(create('volumeHome', home({ former: [{ nodeId: 'b' }] as never }))),
      /malformed former/,
    ],
    ['has canonical subnets', subnet({ subnet: '10.0.1.00/24' }), /malformed allocation/],
    ['has subnets with a length', subnet({ subnet: '10.0.1.0' }), /malformed allocation/],
    ['has gateways without one', subnet({ gateway: '10.0.1.1/24' }), /malformed allocation/],
    ['has canonical addresses', attached({ addresses: ['FD00::1/64'] }), /malformed addresses/],
    ['asks for addresses', attached({ wanted: 7 }), /malformed wanted/],
    ['has attachments of nodes', attached({ nodeId: '' }), /no networkId or nodeId/],
    ['fits ids of balancers', attached({ kind: 'node' }), /does not fit/],
    ['has tasks in networks', task1({ networks: [{ networkId: 'w' }] }), /malformed networks/],
    [
      'has virtual addresses',
      service1({ endpoint: { ...virtual, virtualIps: [{ networkId: 'w', addr: '' }] } }),
      /malformed endpoint.virtualIps/,
    ],
    ['has whole job statuses', service1({ jobStatus: { iteration: 0 } }), /jobStatus/],
    ['has whole schedules', service1({ cron: { schedule: '@daily' } }), /cron/],
    [
      'has runs with revisions from 1',
      service1({ cron: { schedule: '@daily', servedUntil: 7, revision: 0 } }),
      /cron/,
    ],
    ['has whole scalings', service1({ scaling: { replicas: 2 } }), /malformed scaling/],
    [
      'has whole times of less load',
      service1({ scaling: { replicas: 2, changedAt: 1, reason: '', fewer: { most: 1 } } }),
      /malformed scaling/,
    ],
    ['has no negative load', task1({ status: loaded(-0.5) }), /malformed status.load/],
    ['has finite load', task1({ status: loaded('much') }), /malformed status.load/],
    ['bounds messages', task1({ status: longMessage() }), /malformed status/],
    ['fits revision ids', changing(create('revision', misnamed())), /does not fit/],
    [
      'has revisions of runs or of people',
      changing(create('revision', { ...reserving('c', {}), byRun: 1 as never })),
      /malformed byRun/,
    ],
    ['names services', changing(create('service', service('s', ''))), /no name/],
    ['has no negative resources', resources({ NanoCPUs: -1 }), /malformed description/],
    ['has exact resources', resources({ MemoryBytes: 2 ** 53 }), /malformed description/],
    ['has generic kinds', resources({ GenericResources: [{ DiscreteResourceSpec: {} }] }), /malf/],
    ['is not too deep', { ...whole, deep: nested(nestingMax + 1) }, /nested at most/],
  ];

  test.each(bad)('%s', (_rule, json, message) => {
    expect(messageOf(bytesOf(json))).toMatch(message);
  });

  test('takes a nesting that is just not too deep, and a snapshot can hold it', () => {
    const state = new State();
    const object = { ...node('a'), deep: nested(nestingMax - 6) };
    const decoded = decodeTransaction(bytesOf(changing(create('node', object))));
    if (decoded.kind !== 'ok') throw new Error(decoded.message);
    commit(state, decoded.transaction);
    expect(restored(imageOf(state)).view.nodes.get('a')).toEqual(state.view.nodes.get('a'));
  });

  test('is valid UTF-8', () => {
    const bytes = encodeTransaction(whole);
    bytes[10] = 0xff;
    expect(messageOf(bytes)).toMatch(/UTF-8 JSON/);
  });

  test('is valid JSON', () => {
    expect(messageOf(encodeTransaction(whole).subarray(1))).toMatch(/UTF-8 JSON/);
  });

  test('is bounded', () => {
    expect(messageOf(new Uint8Array(transactionBytesMax + 1))).toMatch(/at most/);
  });

  test('whatever passes can be applied, and its snapshot restored', { timeout: 60_000 }, () => {
    let passed = 0;
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom('__proto__', -1, 1e308, 'web', null));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), values), { maxLength: 3 }), (mutations) => {
        let json = JSON.parse(JSON.stringify(whole));
        for (const [at, value] of mutations) json = mutated(json, at, value);
        const decoded = decodeTransaction(bytesOf(json));
        if (decoded.kind !== 'ok') return;
        const state = new State();
        applyNext(state, beginning, decoded.transaction);
        expect(imageOf(restored(imageOf(state))).equals(imageOf(state))).toBe(true);
        passed += 1;
      }),
      { numRuns: 500 },
    );
    expect(passed).toBeGreaterThan(50);
  });
});

/** `json` with the value at one of its places, chosen by `at`, replaced. */
function mutated(json: unknown, at: number, value: unknown): unknown {
  const places: (() => void)[] = [];
  const walk = (parent: Record<string, unknown>): void => {
    for (const [key, inner] of Object.entries(parent)) {
      places.push(() => Object.defineProperty(parent, key, { value }));
      if (typeof inner === 'object' && inner !== null) walk(inner as never);
    }
  };
  walk(json as never);
  places[at % places.length]?.();
  return json;
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

function changing(change: unknown): object {
  return { ...whole, changes: [change] };
}

function many(count: number): object {
  return { ...whole, changes: Array.from({ length: count }, () => remove('node', 'a', 1)) };
}

function task1(overrides: object): object {
  return changing({ op: 'create', table: 'task', object: { ...task('t', 's'), ...overrides } });
}

function service1(overrides: object): object {
  return changing({ op: 'create', table: 'service', object: { ...service('s'), ...overrides } });
}

/** A change of a network's allocation, as JSON would bring it. */
function subnet(parts: object): object {
  const subnets = [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4096, ...parts }];
  const object = { ...network('w'), allocation: { subnets, at: 1 } };
  return changing({ op: 'create', table: 'network', object });
}

function attached(parts: object): object {
  const object = { ...attachment('o', 'w', '10.0.1.9/24'), ...parts };
  return changing({ op: 'create', table: 'attachment', object });
}

function longMessage(): object {
  return { ...task('t', 's').status, message: 'x'.repeat(64 * 1024 + 1) };
}

function loaded(processors: unknown): object {
  return { ...task('t', 's').status, load: { processors, memoryBytes: 1 } };
}

function misnamed() {
  return { ...reserving('s', {}), id: 's.2' };
}

function bare(): object {
  const { meta: _none, ...rest } = node('a');
  return rest;
}

function resources(wrong: object): object {
  return changing(create('node', node('a', wrong)));
}
