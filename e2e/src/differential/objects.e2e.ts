// Everything of a swarm but its services: as Docker's own Swarm mode answers, and as we do.
import { expect, test } from 'vitest';
import { Comparison } from './comparison.ts';
import { type Json, replaced } from './json.ts';
import { wholeSpec } from './service-spec.ts';
import { type Answer, idOf, type Side } from './side.ts';
import { useSides } from './sides.ts';
import { wantedOfObjects } from './wanted.ts';

const sides = useSides('differential-objects');
let comparison: Comparison | undefined;

function compare(): Comparison {
  const { docker, shoal } = sides();
  comparison ??= new Comparison(docker, shoal, wantedOfObjects);
  return comparison;
}

function member(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (held, name) =>
      typeof held === 'object' && held !== null ? Reflect.get(held, name) : undefined,
    value,
  );
}

async function get(side: Side, path: string): Promise<unknown> {
  return (await side.call('GET', path)).body;
}

const kinds = ['services', 'tasks', 'nodes', 'secrets', 'configs', 'networks'];

test('lists take the same filters', async () => {
  const both = compare();
  const names = [
    ...['id', 'name', 'label', 'mode', 'runtime', 'service', 'node', 'desired-state', 'role'],
    ...['membership', 'node.label', 'scope', 'type', 'driver', 'dangling', 'foo', '_up-to-date'],
    ...['names', 'engine.label', 'platform', 'before'],
  ];
  const values = [
    ...['', 'x', 'svc', 'true', 'running', 'replicated', 'manager', 'accepted', 'swarm', 'a=b'],
    ...['overlay', 'custom', 'container', '1', 'global', 'pending', 'local', '=', 'self'],
  ];
  const texts = [
    ...['x', '{', '[]', '{}', 'null', '""', '{"id":"x"}', '{"id":{"x":true}}', '{"id":[1]}'],
    ...['{"id":null}', '{"id":["x",null]}', ''],
  ];
  for (const kind of kinds) {
    const filters = names.flatMap((name) =>
      values.map((value) => JSON.stringify({ [name]: [value] })),
    );
    for (const filter of [...filters, ...texts])
      await both.ask('filters', `${kind} ${filter}`, (side) =>
        side.call('GET', `/${kind}?filters=${encodeURIComponent(filter)}`),
      );
  }
  expect(both.takeUnwanted()).toEqual([]);
});

test('what is not there is missed in the same words, and flags are read alike', async () => {
  const both = compare();
  for (const side of both.sides)
    await side.make('web', '/services/create', replaced(wholeSpec, ['Name'], 'web'));
  for (const kind of kinds)
    for (const ref of ['nope', 'a%20b', 'x'.repeat(300)]) {
      const path = `/${kind}/${ref}`;
      for (const method of ['GET', 'DELETE'])
        await both.ask('missing', `${method} ${path}`, (side) => side.call(method, path));
      const update = `${path}/update?version=1`;
      await both.ask('missing', `POST ${update}`, (side) => side.call('POST', update, {}));
    }
  for (const path of [
    ...['/services?status=true', '/services?status=x', '/services/<web>?insertDefaults=true'],
    ...['/services/<web>?insertDefaults=x', '/networks/net1?verbose=true'],
    ...[
      '/networks/net1?verbose=x',
      '/networks/net1?scope=local',
      '/networks/net1?scope=swarm',
      '/networks/net1?scope=foo',
    ],
    ...['/services/<web>/logs', '/services/<web>/logs?stdout=1&tail=x'],
    ...['/services/<web>/logs?stdout=1&since=x', '/services/nope/logs?stdout=1'],
    ...['/tasks/nope/logs?stdout=1', '/services/<web>/logs?follow=x', '/swarm/unlockkey'],
    ...['/nodes/self', '/events?filters=x', '/distribution/a%20b/json'],
  ])
    await both.ask('flags', path, (side) => side.call('GET', path));
  expect(both.takeUnwanted()).toEqual([]);
});

test.each(['secret', 'config'])(
  'a %s is created, changed, kept and refused alike',
  async (kind) => {
    const both = compare();
    const name = kind === 'secret' ? 'sec' : 'conf';
    const sized = (bytes: number): string => Buffer.alloc(bytes, 'x').toString('base64');
    for (const body of [
      ...[{}, null, [], 'x', { Name: '' }, { Name: 'a b', Data: 'eA==' }, { Name: 'n' }],
      ...[
        { Name: 'n', Data: '' },
        { Name: 'n', Data: 'not base64!' },
        { Name: 'n', Data: 5 },
      ],
      ...[{ Name: 5 }, { Name: 'n', Data: 'eA' }, { Name: 'n', Data: 'eA==x' }],
      ...[
        { Name: name, Data: 'eA==' },
        { Name: 'x'.repeat(65), Data: 'eA==' },
      ],
      ...[
        { Name: 'x'.repeat(64), Data: 'eA==' },
        { Name: 'ok.1', Data: 'eA==', Labels: 5 },
      ],
      ...[
        { Name: '-a', Data: 'eA==' },
        { Name: 'a/', Data: 'eA==' },
      ],
      ...[
        { Name: 'most', Data: sized(511_999) },
        { Name: 'more', Data: sized(512_000) },
      ],
      ...[
        { Name: 'most2', Data: sized(1_023_999) },
        { Name: 'more2', Data: sized(1_024_000) },
      ],
      ...[
        { Name: 'drv', Driver: { Name: 'x' } },
        { Name: 'drv', Driver: { Name: 'x' }, Data: 'eA==' },
      ],
      ...['golang', 'foo', ''].map((Name) => ({
        Name: `t-${Name}`,
        Data: 'eA==',
        Templating: { Name },
      })),
    ] satisfies Json[])
      await both.ask(`create ${kind}`, JSON.stringify(body).slice(0, 100), (side) =>
        side.call('POST', `/${kind}s/create`, body),
      );
    for (const body of [
      ...[{ Name: name, Labels: { a: 'b' } }, { Name: 'other' }, { Name: name, Data: 'eQ==' }],
      ...[{ Name: name, Data: 'eA==' }, {}, null],
    ] satisfies Json[])
      await both.ask(`update ${kind}`, JSON.stringify(body), async (side) => {
        const version = member(await get(side, `/${kind}s/<${kind}>`), 'Version', 'Index');
        return side.call('POST', `/${kind}s/<${kind}>/update?version=${version}`, body);
      });
    for (const version of ['', 'x', '1'])
      await both.ask(`update ${kind}`, `version=${version}`, (side) =>
        side.call('POST', `/${kind}s/<${kind}>/update?version=${version}`, { Name: name }),
      );
    await both.ask(`remove ${kind}`, 'one that is used', (side) =>
      side.call('DELETE', `/${kind}s/<${kind}>`),
    );
    expect(both.takeUnwanted()).toEqual([]);
  },
);

test('networks are created, shown and refused alike', async () => {
  const both = compare();
  const ranged = (...Config: readonly Json[]): Json => ({ IPAM: { Config } });
  const vxlan = 'com.docker.network.driver.overlay.vxlanid_list';
  for (const [at, rest] of [
    ...[{ Name: '' }, { Name: 'net1' }, { Name: 'a b' }, { Internal: true }, { Name: 'ingress' }],
    ...[ranged({ Subnet: 'x' }), ranged({ Subnet: '10.77.0.0/24', Gateway: '10.78.0.1' })],
    ranged({ Subnet: '10.77.0.0/24', Gateway: 'x' }),
    ranged({ Subnet: '10.79.0.0/24', IPRange: '10.80.0.0/28' }),
    ranged({ Subnet: '10.81.0.0/24' }, { Subnet: '10.81.0.0/24' }),
    ...[ranged({ Subnet: '10.90.0.0/31' }), ranged({ Subnet: '10.91.0.5/24' })],
    ...[ranged({ Gateway: '10.91.0.5' }), { IPAM: { Driver: 'foo' } }, { EnableIPv6: true }],
    ...[{ Options: { [vxlan]: 'x' } }, { ConfigOnly: true }, { ConfigFrom: { Network: 'x' } }],
    ...[{ Driver: 'nope', Scope: 'swarm' }, { Scope: 'foo' }, { Scope: 'local' }],
    ...[{ Name: 'host' }, { Attachable: 'x' }, { Attachable: true }, { Labels: [] }],
    ...[{ Ingress: true }, { CheckDuplicate: true }, { Name: 'net1', CheckDuplicate: true }],
  ].entries()) {
    const body = { Name: `o${at}`, Driver: 'overlay', ...(rest as object) };
    const asked = JSON.stringify(body);
    const made = new Map<Side, string>();
    const { isDone } = await both.ask('create network', asked, async (side) => {
      const answer = await side.call('POST', '/networks/create', body);
      const id = idOf(answer);
      if (id !== undefined) made.set(side, id);
      return answer;
    });
    if (isDone)
      await both.read('network', asked, async (side) => {
        const network = await get(side, `/networks/${made.get(side)}`);
        // Which of the free ones each gives out is its own matter.
        return { ...(network as object), Options: undefined };
      });
    for (const [side, id] of made) await side.call('DELETE', `/networks/${id}`);
  }
  await both.ask('remove network', 'one that is used', (side) =>
    side.call('DELETE', '/networks/net1'),
  );
  expect(both.takeUnwanted()).toEqual([]);
});

const clusterChanges: Readonly<Record<string, readonly Json[]>> = {
  Name: ['x', 'other', '', 5],
  Labels: [{ a: 'b' }, [], 5],
  'Orchestration.TaskHistoryRetentionLimit': [-1, 0, 7, 'x'],
  'Raft.SnapshotInterval': [0, 1, -1],
  'Raft.KeepOldSnapshots': [0, 5],
  'Raft.ElectionTick': [0, 3, 1, 100],
  'Raft.HeartbeatTick': [0, 2, 10],
  'Raft.LogEntriesForSlowFollowers': [0, 1],
  'Dispatcher.HeartbeatPeriod': [0, 1, -1, 1_000_000_000, 5_000_000_000],
  'CAConfig.NodeCertExpiry': [0, 1, 3_600_000_000_000, 3_599_999_999_999, -1],
  'CAConfig.ExternalCAs': [
    ...[[{}], [{ Protocol: 'cfssl', URL: 'x' }], [{ Protocol: 'foo', URL: 'https://x' }]],
    [{ Protocol: 'cfssl', URL: 'https://x' }],
  ],
  'TaskDefaults.LogDriver': [{}, { Name: 'json-file' }, { Name: '' }],
  'EncryptionConfig.AutoLockManagers': ['x'],
  'CAConfig.ForceRotate': [-1],
  'CAConfig.SigningCACert': ['x'],
  'CAConfig.SigningCAKey': ['x'],
};

test('the swarm and its nodes take and refuse the same', async () => {
  const both = compare();
  const changeSwarm = async (
    side: Side,
    query: string,
    change?: [string, Json],
  ): Promise<Answer> => {
    const swarm = await get(side, '/swarm');
    const spec = member(swarm, 'Spec') as Json;
    const version = member(swarm, 'Version', 'Index');
    const body = change === undefined ? spec : replaced(spec, change[0].split('.'), change[1]);
    return side.call('POST', `/swarm/update?version=${version}${query}`, body);
  };
  for (const [name, values] of Object.entries(clusterChanges))
    for (const value of values) {
      const asked = `${name} = ${JSON.stringify(value)}`;
      const { isDone } = await both.ask('update swarm', asked, (side) =>
        changeSwarm(side, '', [name, value]),
      );
      if (isDone)
        await both.read('swarm', asked, async (side) => member(await get(side, '/swarm'), 'Spec'));
    }
  for (const flag of ['rotateWorkerToken', 'rotateManagerToken', 'rotateManagerUnlockKey'])
    await both.ask('update swarm', flag, (side) => changeSwarm(side, `&${flag}=x`));
  for (const version of ['', 'x', '1', '-1'])
    await both.ask('update swarm', `version=${version}`, (side) =>
      side.call('POST', `/swarm/update?version=${version}`, {}),
    );
  for (const body of [
    {},
    { ListenAddr: 'x' },
    null,
    { ListenAddr: '0.0.0.0:2377' },
  ] satisfies Json[])
    for (const action of ['init', 'join', 'unlock'])
      await both.ask(action, JSON.stringify(body), (side) =>
        side.call('POST', `/swarm/${action}`, body),
      );
  await both.ask('leave', 'the only manager', (side) => side.call('POST', '/swarm/leave'));
  const nodeOf = async (side: Side): Promise<unknown> => member(await get(side, '/nodes'), '0');
  const nodeChanges: Readonly<Record<string, readonly Json[]>> = {
    Role: ['worker', 'foo', '', 5, null],
    Availability: ['pause', 'drain', 'foo', '', null, 'active'],
    Labels: [{ a: 'b' }, { '': 'x' }, [], 5, null],
    Name: ['x', '', 'a b'],
  };
  for (const [name, values] of Object.entries(nodeChanges))
    for (const value of values) {
      const asked = `${name} = ${JSON.stringify(value)}`;
      const { isDone } = await both.ask('update node', asked, async (side) => {
        const node = await nodeOf(side);
        const version = member(node, 'Version', 'Index');
        const spec = replaced(member(node, 'Spec') as Json, [name], value);
        return side.call('POST', `/nodes/${member(node, 'ID')}/update?version=${version}`, spec);
      });
      if (isDone)
        await both.read('node', asked, async (side) => member(await nodeOf(side), 'Spec'));
    }
  for (const force of ['', '?force=1'])
    await both.ask('remove node', force, async (side) =>
      side.call('DELETE', `/nodes/${member(await nodeOf(side), 'ID')}${force}`),
    );
  expect(both.takeUnwanted()).toEqual([]);
});

test('bodies that are no JSON, or more than one, are refused alike', async () => {
  const both = compare();
  const paths = ['/services/create', '/networks/create', '/secrets/create', '/swarm/init'];
  for (const body of ['', '{', 'x', '[]', '{"Name":"a"}{"Name":"b"}', '{"Name":"a"} x', '"x"', '5'])
    for (const path of paths)
      await both.ask('body', `${path} ${body}`, (side) => side.send('POST', path, body));
  expect(both.takeUnwanted()).toEqual([]);
});

test('every difference that is wanted was seen', () => {
  expect(compare().asked).toBeGreaterThan(1_000);
  expect(compare().unseen).toEqual([]);
});
