import type { Instant } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import {
  type Attachment,
  type Change,
  describeRefusal,
  type Network,
  nodeAttachmentId,
  type PortConfig,
  type Refusal,
  type Service,
  State,
  type Task,
} from '../index.ts';
import { commit, imageOf, outcomeOf, restored } from '../testing/bytes.ts';
import {
  allocated,
  attached,
  attachment,
  create,
  meta,
  network,
  node,
  observed,
  remove,
  revision,
  service,
  task,
  transaction,
  update,
} from '../testing/objects.ts';

// The rules of addresses, subnets, identifiers and ports, by name.

interface Case {
  readonly rule: string;
  /** Transactions committed before, after entry 1 made the world below. */
  readonly given?: readonly (readonly Change[])[];
  readonly when: readonly Change[];
  readonly refusal: Refusal;
}

const world: readonly Change[] = [
  create('node', node('n1')),
  create('network', allocated('w1', '10.0.1.0/24', 4096)),
  create('network', network('bare')),
  ...['web', 'api'].flatMap((id) => [
    create('service', service(id)),
    create('revision', revision(id)),
  ]),
];

function having(id: string, ...texts: readonly string[]): Task {
  return task(id, 'web', {
    status: observed('pending'),
    networks: [{ networkId: 'w1', addresses: texts }],
  });
}

function virtual(id: string, addr: string, version = 1): Service {
  const endpoint = { revision: 1, ports: [], virtualIps: [{ networkId: 'w1', addr }] };
  return { ...service(id), endpoint, meta: meta(version) };
}

function published(id: string, PublishedPort: number, version = 1): Service {
  const port: PortConfig = {
    Protocol: 'tcp',
    TargetPort: 1,
    PublishedPort,
    PublishMode: 'ingress',
  };
  return {
    ...service(id),
    endpoint: { revision: 1, ports: [port], virtualIps: [] },
    meta: meta(version),
  };
}

function subnets(id: string, ...of: readonly (readonly [string, string, number])[]): Network {
  const all = of.map(([subnet, gateway, vni]) => ({ subnet, gateway, vni }));
  return { ...network(id), allocation: { subnets: all, at: 1_000 as Instant } };
}

function taken(
  table: 'task' | 'service' | 'attachment' | 'network',
  id: string,
  address: string,
  holder: readonly ['task' | 'service' | 'attachment' | 'network', string],
): Refusal {
  const [of, by] = holder;
  return {
    kind: 'address-taken',
    table,
    id,
    network: 'w1',
    address,
    holder: { table: of, id: by },
  };
}

function outside(table: 'task' | 'network', id: string, of: string, address: string): Refusal {
  return { kind: 'address-outside', table, id, network: of, address };
}

const t1 = [create('task', having('t1', '10.0.1.5/24'))];

const cases: readonly Case[] = [
  {
    rule: 'an address of a task is not another task’s',
    given: [t1],
    when: [create('task', having('t2', '10.0.1.5/24'))],
    refusal: taken('task', 't2', '10.0.1.5', ['task', 't1']),
  },
  {
    rule: 'an address of a task is not a service’s',
    given: [t1],
    when: [update('service', virtual('api', '10.0.1.5/24'))],
    refusal: taken('service', 'api', '10.0.1.5', ['task', 't1']),
  },
  {
    rule: 'an address of a service is not a container’s',
    given: [[update('service', virtual('api', '10.0.1.5/24'))]],
    when: [create('attachment', attachment('c1', 'w1', '10.0.1.5/24'))],
    refusal: taken('attachment', 'c1', '10.0.1.5', ['service', 'api']),
  },
  {
    rule: 'a container’s address is not a task’s that gets it late',
    given: [
      [
        create('attachment', attachment('c1', 'w1', '10.0.1.5/24')),
        create('task', task('t1', 'web')),
      ],
    ],
    when: [update('task', { ...having('t1', '10.0.1.5/24'), meta: meta(2) })],
    refusal: taken('task', 't1', '10.0.1.5', ['attachment', 'c1']),
  },
  {
    rule: 'the gateway is the network’s',
    when: [create('task', having('t1', '10.0.1.1/24'))],
    refusal: taken('task', 't1', '10.0.1.1', ['network', 'w1']),
  },
  {
    rule: 'an object has an address once',
    when: [create('task', having('t1', '10.0.1.5/24', '10.0.1.5/24'))],
    refusal: taken('task', 't1', '10.0.1.5', ['task', 't1']),
  },
  {
    rule: 'addresses that a user reserves are not in use',
    given: [t1],
    when: [
      update('network', {
        ...reserving('w1', '10.0.1.5'),
        meta: meta(1),
      }),
    ],
    refusal: taken('network', 'w1', '10.0.1.5', ['task', 't1']),
  },
  {
    rule: 'an address is one of a subnet of its network',
    when: [create('task', having('t1', '10.0.2.5/24'))],
    refusal: outside('task', 't1', 'w1', '10.0.2.5'),
  },
  {
    rule: 'an address has the prefix length of its subnet',
    when: [create('task', having('t1', '10.0.1.5/16'))],
    refusal: outside('task', 't1', 'w1', '10.0.1.5'),
  },
  {
    rule: 'nobody has a network’s broadcast address',
    when: [create('task', having('t1', '10.0.1.255/24'))],
    refusal: outside('task', 't1', 'w1', '10.0.1.255'),
  },
  {
    rule: 'a network without subnets has no addresses',
    when: [
      create('task', {
        ...task('t1', 'web'),
        networks: [{ networkId: 'bare', addresses: ['10.0.1.5/24'] }],
      }),
    ],
    refusal: outside('task', 't1', 'bare', '10.0.1.5'),
  },
  {
    rule: 'a network that is not there has no addresses',
    when: [
      create('task', {
        ...task('t1', 'web'),
        networks: [{ networkId: 'gone', addresses: ['10.0.1.5/24'] }],
      }),
    ],
    refusal: missing('task', 't1', 'network', 'gone'),
  },
  {
    rule: 'a task keeps its addresses',
    given: [t1],
    when: [update('task', { ...having('t1', '10.0.1.6/24'), meta: meta(2) })],
    refusal: fixed('task', 't1', 'networks'),
  },
  {
    rule: 'a task does not lose its addresses in a change of something else',
    given: [t1],
    when: [update('task', task('t1', 'web', { status: observed('pending'), meta: meta(2) }))],
    refusal: fixed('task', 't1', 'networks'),
  },
  {
    rule: 'an attachment keeps its addresses',
    given: [[create('attachment', attachment('c1', 'w1', '10.0.1.5/24'))]],
    when: [update('attachment', { ...attachment('c1', 'w1', '10.0.1.6/24'), meta: meta(2) })],
    refusal: fixed('attachment', 'c1', 'addresses'),
  },
  {
    rule: 'an attachment stays in its network',
    given: [[create('attachment', attachment('c1', 'w1'))]],
    when: [update('attachment', { ...attachment('c1', 'bare'), meta: meta(2) })],
    refusal: fixed('attachment', 'c1', 'networkId'),
  },
  {
    rule: 'an attachment is in a network that exists',
    when: [create('attachment', attachment('c1', 'gone'))],
    refusal: missing('attachment', 'c1', 'network', 'gone'),
  },
  {
    rule: 'an attachment is on a node that exists',
    when: [create('attachment', { ...attachment('c1', 'w1'), nodeId: 'n9' })],
    refusal: missing('attachment', 'c1', 'node', 'n9'),
  },
  {
    rule: 'subnets of two networks do not overlap',
    when: [create('network', allocated('w2', '10.0.0.0/16', 4097))],
    refusal: {
      kind: 'subnet-overlap',
      network: 'w2',
      subnet: '10.0.0.0/16',
      holder: 'w1',
      other: '10.0.1.0/24',
    },
  },
  {
    rule: 'subnets of one network do not overlap',
    when: [
      create(
        'network',
        subnets('w2', ['10.5.0.0/16', '10.5.0.1', 4097], ['10.5.1.0/24', '10.5.1.1', 4097]),
      ),
    ],
    refusal: {
      kind: 'subnet-overlap',
      network: 'w2',
      subnet: '10.5.1.0/24',
      holder: 'w2',
      other: '10.5.0.0/16',
    },
  },
  {
    rule: 'a subnet has no host bits',
    when: [create('network', subnets('w2', ['10.5.0.7/16', '10.5.0.1', 4097]))],
    refusal: outside('network', 'w2', 'w2', '10.5.0.1'),
  },
  {
    rule: 'a gateway is in its subnet',
    when: [create('network', subnets('w2', ['10.5.0.0/16', '10.6.0.1', 4097]))],
    refusal: outside('network', 'w2', 'w2', '10.6.0.1'),
  },
  {
    rule: 'a VXLAN identifier is one network’s',
    when: [create('network', allocated('w2', '10.0.2.0/24', 4096))],
    refusal: { kind: 'vni-taken', network: 'w2', vni: 4096, holder: 'w1' },
  },
  {
    rule: 'a network keeps its subnets',
    when: [update('network', { ...allocated('w1', '10.0.1.0/24', 4097), meta: meta(1) })],
    refusal: fixed('network', 'w1', 'allocation'),
  },
  {
    rule: 'there is one ingress network',
    given: [[create('network', mesh('first'))]],
    when: [create('network', mesh('second'))],
    refusal: { kind: 'already-exists', table: 'network', id: 'first' },
  },
  {
    rule: 'a port of the routing mesh is one service’s',
    given: [[update('service', published('web', 8080))]],
    when: [update('service', published('api', 8080))],
    refusal: { kind: 'port-taken', service: 'api', port: 'tcp/8080', holder: 'web' },
  },
  {
    rule: 'a network with a container is not deleted',
    given: [[create('attachment', attachment('c1', 'w1'))]],
    when: [remove('network', 'w1', 1)],
    refusal: { kind: 'in-use', table: 'network', id: 'w1', by: 'attachment', byId: 'c1' },
  },
  {
    rule: 'a network that tasks have addresses in is not deleted',
    given: [t1],
    when: [remove('network', 'w1', 1)],
    refusal: { kind: 'in-use', table: 'network', id: 'w1', by: 'task', byId: 't1' },
  },
  {
    rule: 'the ingress network is not deleted while a service publishes ports',
    given: [
      [
        create('network', mesh('mesh')),
        create('service', service('shop')),
        create(
          'revision',
          revision('shop', 1, {
            EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 1, PublishMode: 'ingress' }] },
          }),
        ),
      ],
    ],
    when: [remove('network', 'mesh', 2)],
    refusal: { kind: 'in-use', table: 'network', id: 'mesh', by: 'service', byId: 'shop' },
  },
];

describe('a transaction that breaks a rule of addresses is refused whole', () => {
  test.each(cases)('$rule', ({ given = [], when, refusal }) => {
    const state = new State();
    for (const [number, changes] of [world, ...given].entries())
      commit(state, transaction(`given ${number}`, changes));
    // What would be committed alone comes first, and must be undone.
    const harmless = [
      create('network', allocated('extra', '10.200.0.0/24', 5_000)),
      create('attachment', attachment('extra', 'w1', '10.0.1.200/24')),
    ];
    const twin = restored(imageOf(state));
    const outcome = outcomeOf(state, transaction('judged', [...harmless, ...when]));
    expect(outcome).toMatchObject({ kind: 'refused', refusal });
    expect(describeRefusal(refusal)).toMatch(/^.{20,200}$/);
    commit(twin);
    expect(imageOf(state).equals(imageOf(twin))).toBe(true);
    expect(state.view.addresses('w1').holder('10.0.1.200')).toBeUndefined();
    expect([
      state.view.vnis.get(5_000),
      state.view.attachments.countByNetwork('w1', 'container'),
    ]).toEqual([undefined, twin.view.attachments.countByNetwork('w1', 'container')]);
  });
});

describe('an address is free again', () => {
  const again = [create('attachment', attachment('c9', 'w1', '10.0.1.5/24'))];

  test.each<[string, readonly Change[], readonly Change[]]>([
    ['when its task has ended', t1, [update('task', ended('t1', 2))]],
    ['when its task is deleted', t1, [remove('task', 't1', 2)]],
    [
      'when its service lets it go',
      [update('service', virtual('api', '10.0.1.5/24'))],
      [update('service', { ...service('api'), meta: meta(2) })],
    ],
    [
      'when its service is deleted',
      [update('service', virtual('api', '10.0.1.5/24'))],
      [remove('service', 'api', 2)],
    ],
    [
      'when its attachment is deleted',
      [create('attachment', attachment('c1', 'w1', '10.0.1.5/24'))],
      [remove('attachment', 'c1', 2)],
    ],
  ])('%s, also in the same transaction', (_case, given, freed) => {
    for (const entries of [[[...freed, ...again]], [freed, again]]) {
      const state = new State();
      for (const changes of [world, given, ...entries])
        commit(state, transaction(`at ${state.view.index}`, changes));
      expect(state.view.addresses('w1').holder('10.0.1.5')).toEqual({
        table: 'attachment',
        id: 'c9',
      });
    }
  });
});

test('a network is deleted with the balancers’ addresses still there, and they can be deleted after', () => {
  const state = new State();
  const id = nodeAttachmentId('w1', 'n1');
  const balancer: Attachment = { ...attachment(id, 'w1', '10.0.1.9/24'), kind: 'node' };
  commit(state, transaction('world', world));
  commit(state, transaction('balancer', [create('attachment', balancer)]));
  commit(state, transaction('gone', [remove('network', 'w1', 1)]));
  expect(state.view.addresses('w1').count(4)).toBe(1);
  commit(state, transaction('cleared', [remove('attachment', id, 2)]));
  expect([state.view.addresses('w1').count(4), state.view.vnis.size]).toEqual([0, 0]);
});

test('services are found by their networks while their current revision attaches to them', () => {
  const state = new State();
  commit(state, transaction('world', world));
  const view = (): readonly string[] => state.view.services.byNetwork('w1').map(({ id }) => id);
  const next = attached('web', 2, 'w1');
  commit(state, transaction('next', [create('revision', next)]));
  expect(view()).toEqual([]);
  commit(
    state,
    transaction('current', [update('service', { ...service('web', 'web', 2), meta: meta(1) })]),
  );
  expect(view()).toEqual(['web']);
});

function ended(id: string, version: number): Task {
  return { ...having(id, '10.0.1.5/24'), status: observed('shutdown'), meta: meta(version) };
}

function mesh(id: string): Network {
  const made = network(id);
  return { ...made, spec: { ...made.spec, Ingress: true } };
}

function reserving(id: string, address: string): Network {
  const made = allocated(id, '10.0.1.0/24', 4096);
  const IPAM = { Configs: [{ Subnet: '10.0.1.0/24', AuxAddresses: { spare: address } }] };
  return { ...made, spec: { ...made.spec, IPAM } };
}

type Name = Refusal & { kind: 'missing-reference' };

function missing(table: Name['table'], id: string, to: Name['table'], toId: string): Refusal {
  return { kind: 'missing-reference', table, id, referenced: to, referencedId: toId };
}

function fixed(table: Name['table'], id: string, field: string): Refusal {
  return { kind: 'immutable', table, id, field };
}
