// Every form of a name, in a table: what a container asks, and what it is told.
import type { Random } from '@shoal/runtime';
import { describe, expect, test } from 'vitest';
import { hostNetwork, localEndpoint, service, table, task } from '../testing/records.ts';
import { types } from '../wire/protocol.ts';
import type { ResourceRecord } from '../wire/reply-writer.ts';
import { lookup } from './lookup.ts';
import { Zones } from './zones.ts';

/** Draws nothing: the order stays as it is. */
const inOrder: Random = { next: () => 0.999_999, bytes: (count) => new Uint8Array(count) };

const web = service('web', {
  aliases: ['front', 'Shop'],
  virtualIps: ['10.0.1.100', 'fd00:1::100'],
});
const db = service('db', { mode: 'dnsrr', aliases: ['database'] });
const stack = service('shop_cart', { aliases: ['cart'], virtualIps: ['10.0.1.101'] });
const resting = service('resting', { virtualIps: ['10.0.1.102'] });
const other = service('other', { virtualIps: ['10.0.2.100'] });
/** Without virtual addresses here. */
const bare = service('bare');
const taken = service('taken', { virtualIps: ['10.0.1.103'] });

const zones = new Zones();
zones.set(
  'network-1',
  table(
    hostNetwork(1, {
      name: 'Front.Net',
      subnets: [
        { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4097 },
        { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', vni: 4097 },
      ],
      local: [localEndpoint('w1', '10.0.1.11/24', ['network-1', 'network-2', 'network-3'])],
    }),
    [
      task('w1', '10.0.1.11', web, { containerAliases: ['0123456789ab', 'web-host'] }),
      task('w2', '10.0.1.12', web, { slot: 2, addresses: ['10.0.1.12', 'fd00:1::12'] }),
      task('w3', '10.0.1.13', web, { slot: 3, serving: false }),
      task('d1', '10.0.1.21', db),
      task('d2', '10.0.1.22', db, { slot: 2 }),
      task('c1', '10.0.1.31', stack),
      task('r1', '10.0.1.41', resting, { serving: false }),
      task('t1', '10.0.1.51', taken, { containerAliases: ['web', 'db'] }),
      task('b1', '10.0.1.71', bare),
      task('n1', '', service('nowhere'), { addresses: [] }),
      task('by-hand', '10.0.1.61', undefined, { containerAliases: ['fedcba987654'] }),
      task('lb.node-1', '10.0.1.2', undefined, { kind: 'balancer', name: '' }),
    ],
  ),
);
zones.set(
  'network-2',
  table(hostNetwork(2), [
    task('o1', '10.0.2.11', other),
    task('w9', '10.0.2.12', service('web', { virtualIps: ['10.0.2.99'] })),
    task('b2', '10.0.2.14', service('bare', { virtualIps: ['10.0.2.97'] })),
    task('n2', '10.0.2.15', service('nowhere', { virtualIps: ['10.0.2.96'] })),
    task('r2', '10.0.2.13', service('resting', { virtualIps: ['10.0.2.98'] })),
  ]),
);
zones.set(
  'network-3',
  table(hostNetwork(3, { ingress: true }), [task('i1', '10.0.3.11', service('published'))]),
);
zones.set('network-4', table(hostNetwork(4), [task('f1', '10.0.4.11', service('foreign'))]));

/** What the container of task w1 is told: one line for each record; undefined: ask upstream. */
function ask(name: string, type: number, from = '10.0.1.11'): string[] | undefined {
  const asker = zones.asker('network-1', from);
  const reply = lookup({ name, type }, asker?.zones ?? [], inOrder);
  expect(reply?.rcode ?? 0).toBe(0);
  return reply?.answers.map((record) => lineOf(name, record));
}

function lineOf(asked: string, record: ResourceRecord): string {
  expect(record.name).toBe(asked);
  switch (record.kind) {
    case 'address':
      return `${record.ttlSeconds} ${hexGroups(record.address)}`;
    case 'pointer':
      return `${record.ttlSeconds} ${record.target}`;
    case 'service':
      return `${record.ttlSeconds} ${record.target}:${record.port}`;
  }
}

function hexGroups(address: Uint8Array): string {
  return address.length === 4
    ? address.join('.')
    : Buffer.from(address).toString('hex').replace(/0+/g, '~');
}

describe('addresses', () => {
  test.each<[string, string[] | undefined]>([
    ['web', ['60 10.0.1.100']],
    ['front', ['60 10.0.1.100']],
    ['shop', ['60 10.0.1.100']],
    ['tasks.web', ['5 10.0.1.11', '5 10.0.1.12']],
    ['tasks.front', ['5 10.0.1.11', '5 10.0.1.12']],
    ['db', ['5 10.0.1.21', '5 10.0.1.22']],
    ['database', ['5 10.0.1.21', '5 10.0.1.22']],
    ['tasks.db', ['5 10.0.1.21', '5 10.0.1.22']],
    ['shop_cart', ['60 10.0.1.101']],
    ['cart', ['60 10.0.1.101']],
    ['tasks.cart', ['5 10.0.1.31']],
    ['web.1.w1', ['5 10.0.1.11']],
    ['0123456789ab', ['5 10.0.1.11']],
    ['web-host', ['5 10.0.1.11']],
    ['2.web', ['5 10.0.1.12']],
    ['2.db', ['5 10.0.1.22']],
    ['by-hand', ['5 10.0.1.61']],
    ['fedcba987654', ['5 10.0.1.61']],
    // In a network by its name, which may have dots and capital letters.
    ['web.front.net', ['60 10.0.1.100']],
    ['web.net2', ['60 10.0.2.99']],
    ['tasks.web.net2', ['5 10.0.2.12']],
    ['1.web.net2', ['5 10.0.2.12']],
    ['other', ['60 10.0.2.100']],
    ['other.net2', ['60 10.0.2.100']],
    // Known, and nobody serves: no address, and nobody else is asked.
    ['3.web', []],
    ['web.3.w3', []],
    ['tasks.resting', ['5 10.0.2.13']],
    ['tasks.resting.front.net', []],
    // The first network where somebody serves under the name.
    ['resting', ['60 10.0.2.98']],
    ['nowhere', ['60 10.0.2.96']],
    // A service that has no virtual address is its tasks.
    ['bare', ['5 10.0.1.71']],
    ['bare.net2', ['60 10.0.2.97']],
    // Not ours.
    ['foreign', undefined],
    ['foreign.net4', undefined],
    ['other.front.net', undefined],
    ['published', undefined],
    ['9.web', undefined],
    ['tasks', undefined],
    ['example.com', undefined],
    ['front.net', undefined],
    ['', undefined],
    ['.web', undefined],
  ])('%s', (name, lines) => {
    expect(ask(name, types.A)).toEqual(lines);
  });

  test('of IPv6 where there are some, and no error where there are none', () => {
    expect(ask('web', types.AAAA)).toEqual(['60 fd~1~1~']);
    expect(ask('tasks.web', types.AAAA)).toEqual(['5 fd~1~12']);
    expect(ask('db', types.AAAA)).toEqual([]);
    expect(ask('web', types.ANY)).toEqual(['60 10.0.1.100', '60 fd~1~1~']);
  });

  test('no other type of a known name, which is no error either', () => {
    for (const type of [types.CNAME, types.SOA, types.PTR, types.SRV, 15, 16]) {
      expect(ask('web', type)).toEqual([]);
    }
  });

  test('are found with our own domain behind them, for resolvers that pass no single words on', () => {
    expect(ask('web.shoal.internal', types.A)).toEqual(['60 10.0.1.100']);
    expect(ask('tasks.web.net2.shoal.internal', types.A)).toEqual(['5 10.0.2.12']);
    expect(ask('_80._tcp.web.shoal.internal', types.SRV)).toEqual(['60 web:80']);
    const asker = zones.asker('network-1', '10.0.1.11');
    const unknown = { name: 'foreign.shoal.internal', type: types.A };
    expect(lookup(unknown, asker?.zones ?? [], inOrder)).toMatchObject({ rcode: 3, answers: [] });
  });

  test('a container known nowhere else yet is answered from the network of the socket alone', () => {
    expect(ask('web', types.A, '10.0.1.77')).toEqual(['60 10.0.1.100']);
    expect(ask('other', types.A, '10.0.1.77')).toBeUndefined();
  });
});

describe('whoever asks from outside of the network', () => {
  test('is nobody', () => {
    expect(zones.asker('network-1', '10.0.2.11')).toBeUndefined();
    expect(zones.asker('network-1', '192.0.2.1')).toBeUndefined();
    expect(zones.asker('network-1', 'fd00:2::1')).toBeUndefined();
    expect(zones.asker('gone', '10.0.1.11')).toBeUndefined();
    expect(zones.asker('network-1', 'fd00:1::77')?.zones).toHaveLength(1);
  });
});

describe('names of addresses', () => {
  test.each<[string, string[] | undefined]>([
    ['11.1.0.10.in-addr.arpa', ['5 web.1.w1.front.net']],
    ['100.1.0.10.in-addr.arpa', ['60 web.front.net']],
    ['21.1.0.10.in-addr.arpa', ['5 db.1.d1.front.net']],
    ['11.2.0.10.in-addr.arpa', ['5 other.1.o1.net2']],
    // In our networks, and nobody's.
    ['13.1.0.10.in-addr.arpa', []],
    ['2.1.0.10.in-addr.arpa', []],
    ['200.1.0.10.in-addr.arpa', []],
    ['200.4.0.10.in-addr.arpa', undefined],
    ['8.8.8.8.in-addr.arpa', undefined],
    ['8.8.8.in-addr.arpa', undefined],
    ['x.1.0.10.in-addr.arpa', undefined],
    ['in-addr.arpa', undefined],
    [
      '2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa',
      ['5 web.2.w2.front.net'],
    ],
    ['1.ip6.arpa', undefined],
  ])('%s', (name, lines) => {
    expect(ask(name, types.PTR)).toEqual(lines);
  });

  test('another type is no error', () => {
    expect(ask('11.1.0.10.in-addr.arpa', types.A)).toEqual([]);
  });
});

describe('services with a port', () => {
  test.each<[string, string[] | undefined]>([
    ['_8080._tcp.web', ['60 web:8080']],
    ['_53._udp.db', ['5 db.1.d1:53', '5 db.2.d2:53']],
    ['_80._tcp.tasks.web', ['5 web.1.w1:80', '5 web.2.w2:80']],
    ['_80._tcp.web.net2', ['60 web:80']],
    ['_http._tcp.web', []],
    ['_0._tcp.web', []],
    ['_65536._tcp.web', []],
    ['_80._icmp.web', undefined],
    ['_80._tcp.foreign', undefined],
    ['_80._tcp', undefined],
  ])('%s', (name, lines) => {
    expect(ask(name, types.SRV)).toEqual(lines);
  });

  test('come with their addresses', () => {
    const zone = zones.asker('network-1', '10.0.1.11');
    const reply = lookup(
      { name: '_80._tcp.tasks.web', type: types.SRV },
      zone?.zones ?? [],
      inOrder,
    );
    const additionals = reply?.additionals.map((record) =>
      record.kind === 'address' ? `${record.name} ${hexGroups(record.address)}` : '',
    );
    expect(additionals).toEqual(['web.1.w1 10.0.1.11', 'web.2.w2 10.0.1.12', 'web.2.w2 fd~1~12']);
  });
});

test('a container that calls itself like a service does not take it over', () => {
  expect(ask('web', types.A)).toEqual(['60 10.0.1.100']);
  expect(ask('db', types.A)).toEqual(['5 10.0.1.21', '5 10.0.1.22']);
  expect(ask('taken', types.A)).toEqual(['60 10.0.1.103']);
});

test('two services of one alias share it', () => {
  const both = new Zones();
  const [one, two] = [1, 2].map((number) =>
    service(`s${number}`, { aliases: ['shared'], virtualIps: [`10.0.1.10${number}`] }),
  );
  both.set(
    'network-1',
    table(hostNetwork(1), [task('a', '10.0.1.11', one), task('b', '10.0.1.12', two)]),
  );
  const asker = both.asker('network-1', '10.0.1.9');
  const reply = lookup({ name: 'shared', type: types.A }, asker?.zones ?? [], inOrder);
  expect(reply?.answers.map((record) => lineOf('shared', record))).toEqual([
    '60 10.0.1.101',
    '60 10.0.1.102',
  ]);
});

test('tasks come in every order as often', () => {
  let state = 1;
  const random: Random = {
    next() {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    },
    bytes: (count) => new Uint8Array(count),
  };
  const first = new Map<string, number>();
  const asker = zones.asker('network-1', '10.0.1.11');
  for (let round = 0; round < 2_000; round += 1) {
    const reply = lookup({ name: 'tasks.web', type: types.A }, asker?.zones ?? [], random);
    const [line = ''] = reply?.answers.map((record) => lineOf('tasks.web', record)) ?? [];
    first.set(line, (first.get(line) ?? 0) + 1);
  }
  expect([...first.keys()].sort()).toEqual(['5 10.0.1.11', '5 10.0.1.12']);
  for (const count of first.values()) expect(count).toBeGreaterThan(900);
});

describe('names of the outside', () => {
  test('are asked for where one of the container’s networks has a way out', () => {
    const some = new Zones();
    const ids = ['network-1', 'network-2'];
    const inner = hostNetwork(1, {
      internal: true,
      local: [localEndpoint('a', '10.0.1.11', ['network-1']), localEndpoint('b', '10.0.1.12', ids)],
    });
    some.set('network-1', table(inner, []));
    some.set('network-2', table(hostNetwork(2), []));
    expect(some.asker('network-1', '10.0.1.11')?.upstreams).toEqual([]);
    expect(some.asker('network-1', '10.0.1.12')?.upstreams).toEqual(['192.0.2.53:53']);
    expect(some.asker('network-1', '10.0.1.13')?.upstreams).toEqual([]);
  });

  test('are not asked for a container with nameservers of its own', () => {
    const some = new Zones();
    const own = localEndpoint('a', '10.0.1.11', ['network-1'], ['192.0.2.1:53']);
    const other = localEndpoint('b', '10.0.1.12', ['network-1'], []);
    some.set('network-1', table(hostNetwork(1, { local: [own, other] }), []));
    expect(some.asker('network-1', '10.0.1.11')?.upstreams).toEqual([]);
    expect(some.asker('network-1', '10.0.1.12')?.upstreams).toEqual(['192.0.2.53:53']);
  });
});
