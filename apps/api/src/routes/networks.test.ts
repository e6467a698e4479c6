import type { Identity } from '@shoal/pki';
import type { Change } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type FakeNetwork,
  fail,
  hex,
  local,
  NetworkSite,
  overlay,
} from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
});
afterEach(() => site.close());

const notManager =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

describe('without a manager', () => {
  test.each(['inactive', 'worker', 'locked'] as const)(
    'a network of the swarm is refused on a host that is %s',
    async (kind) => {
      const identity = { nodeId: 'w', managers: [] } as unknown as Identity;
      site.host.standing = kind === 'worker' ? { kind, identity } : { kind };
      const answer = await site.ask('POST', '/networks/create', overlay('x'));
      expect(answer).toMatchObject(fail(403, notManager));
    },
  );

  test('a worker shows what stands on it for the swarm’s, and changes nothing of it', async () => {
    const identity = { nodeId: 'w', managers: [] } as unknown as Identity;
    site.host.standing = { kind: 'worker', identity };
    // The name was taken when the agent made it.
    site.standIn('n'.repeat(25), `demo-${'n'.repeat(12)}`, { c1: { Name: 'web.1.x' } });
    const names = async (filters: object) => {
      const text = encodeURIComponent(JSON.stringify(filters));
      const { json } = await site.ask('GET', `/networks?filters=${text}`);
      return (json as FakeNetwork[]).map(({ Name }) => Name);
    };
    expect(await names({})).toEqual(['demo', 'bridge', 'host', 'none', 'mine']);
    expect(await names({ label: ['tier=front'] })).toContain('demo');
    const shown = await site.ask('GET', '/networks/demo');
    expect(shown.json).toMatchObject({
      Name: 'demo',
      Id: 'n'.repeat(25),
      Driver: 'overlay',
      Scope: 'swarm',
      Labels: { tier: 'front' },
      Containers: { c1: { Name: 'web.1.x' } },
    });
    expect((await site.ask('GET', '/networks/elsewhere')).json).toEqual({
      message: 'network elsewhere not found',
    });
    expect((await site.ask('DELETE', '/networks/demo')).status).toBe(503);
    expect(site.engine.done).toEqual([]);
  });
});

describe('networks that are listed', () => {
  beforeEach(async () => {
    await site.init();
  });

  const listed = async (filters: object) => {
    const text = encodeURIComponent(JSON.stringify(filters));
    const { json } = await site.ask('GET', `/v1.41/networks?filters=${text}`);
    return (json as FakeNetwork[]).map(({ Name }) => Name).sort();
  };

  test('are the host’s and the swarm’s, each once', async () => {
    const id = await site.create('demo');
    site.standIn(id, 'demo');
    expect(await listed({})).toEqual(['bridge', 'demo', 'host', 'ingress', 'mine', 'none']);
  });

  test.each<[string, object, readonly string[]]>([
    ['a part of the name', { name: ['dem'] }, ['demo', 'demo-two']],
    ['a name tied to its ends', { name: ['^demo$'] }, ['demo']],
    ['the driver', { driver: ['overlay'] }, ['demo', 'demo-two', 'ingress']],
    ['the scope', { scope: ['swarm'] }, ['demo', 'demo-two', 'ingress']],
    ['a label', { label: ['a=b'] }, ['demo-two']],
    ['two labels', { label: ['a=b', 'c'] }, []],
    ['what nothing uses', { dangling: ['true'], scope: ['swarm'] }, ['demo-two']],
    ['what is used', { dangling: ['0'], scope: ['swarm'] }, ['demo', 'ingress']],
    ['what every engine has', { type: ['builtin'], scope: ['swarm'] }, []],
    ['what people made', { type: ['custom'], scope: ['swarm'] }, ['demo', 'demo-two', 'ingress']],
  ])('go by %s', async (_what, filters, expected) => {
    await site.create('demo');
    await site.create('demo-two', { Labels: { a: 'b' } });
    await site.serve('web', {}, { Networks: [{ Target: 'demo' }] });
    // The engine filters its own.
    site.engine.networks = [];
    expect(await listed(filters)).toEqual(expected);
  });

  test.each<[object, number, string]>([
    [{ bogus: ['1'] }, 400, "invalid filter 'bogus'"],
    [{ type: ['odd'] }, 500, "invalid filter: 'type'='odd'"],
    [
      { dangling: ['maybe'] },
      400,
      `invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`,
    ],
    [{ dangling: ['1', '0'] }, 400, 'got more than one value for filter key "dangling"'],
  ])('refuse %j', async (filters, status, message) => {
    const text = encodeURIComponent(JSON.stringify(filters));
    expect(await site.ask('GET', `/networks?filters=${text}`)).toMatchObject(fail(status, message));
  });
});

describe('a network that is looked at', () => {
  beforeEach(async () => {
    await site.init();
  });

  test('is found by id, name and the start of its id; with scope also the twins', async () => {
    const id = await site.create('demo');
    for (const ref of [id, 'demo', id.slice(0, 12)]) {
      expect((await site.ask('GET', `/networks/${ref}`)).json).toMatchObject({ Id: id });
      expect((await site.ask('GET', `/networks/${ref}?scope=swarm`)).json).toMatchObject({
        Id: id,
      });
    }
    // An id has no twins.
    expect((await site.ask('GET', `/networks/${id}?scope=local`)).json).toMatchObject({ Id: id });
    expect((await site.ask('GET', '/networks/demo?scope=local')).status).toBe(404);
    expect((await site.ask('GET', '/networks/mine')).json).toMatchObject({ Id: hex('d') });
    expect((await site.ask('GET', '/networks/bridge')).json).toMatchObject({ Scope: 'local' });
    expect((await site.ask('GET', '/networks/bridge?scope=swarm')).json).toMatchObject({
      Scope: 'swarm',
    });
    expect(await site.ask('GET', '/networks/nope')).toMatchObject(
      fail(404, 'network nope not found'),
    );
    // What is left on the host of a network that is no more.
    site.standIn('x'.repeat(25), 'past');
    expect(await site.ask('GET', '/networks/past')).toMatchObject(
      fail(404, 'network past not found'),
    );
    expect(await site.ask('GET', '/networks/mine?scope=swarm')).toMatchObject(
      fail(404, 'network mine not found'),
    );
  });

  test('that the host has too under the same name is ambiguous', async () => {
    await site.create('demo');
    site.engine.networks = [...site.engine.networks, local('demo', hex('9'))];
    expect(await site.ask('GET', '/networks/demo')).toMatchObject(
      fail(400, '2 matches found based on name: network demo is ambiguous'),
    );
  });

  test('tells who is in it: containers here, peers, and with verbose the services', async () => {
    const id = await site.create('demo');
    site.allocate(id, '10.0.9', 4_101);
    const serviceId = await site.serve('web', {}, { Networks: [{ Target: id }] });
    const found = site.view.services.get(serviceId);
    if (found === undefined) throw new Error('no service');
    const virtualIps = [{ networkId: id, addr: '10.0.9.2/24' }];
    const endpoint = { revision: 1, ports: [], virtualIps };
    const [node] = site.view.nodes.values();
    const nodeId = node?.id ?? '';
    const balancer: Change = {
      op: 'create',
      table: 'attachment',
      object: {
        id: `${id}.${nodeId}`,
        meta: found.meta,
        networkId: id,
        nodeId,
        kind: 'node',
        addresses: ['10.0.9.3/24'],
      },
    };
    site.host.log.write([
      { op: 'update', table: 'service', object: { ...found, endpoint } },
      balancer,
    ]);
    site.addTask(serviceId, id);
    expect((await site.ask('GET', '/networks/demo')).json).toMatchObject({
      EnableIPv4: false,
      Containers: null,
      IPAM: { Driver: 'default', Config: [{ Subnet: '10.0.9.0/24', Gateway: '10.0.9.1' }] },
      Peers: [{ Name: nodeId.slice(0, 12), IP: '10.0.0.1' }],
    });
    site.standIn(id, 'demo', { c1: { Name: 'web.1.t', IPv4Address: '10.0.9.5/24' } });
    const { json } = await site.ask('GET', '/networks/demo?verbose=true');
    expect(json).toMatchObject({
      EnableIPv4: true,
      Containers: {
        c1: { Name: 'web.1.t' },
        'lb-demo': {
          Name: 'demo-endpoint',
          MacAddress: '02:42:0a:00:09:03',
          IPv4Address: '10.0.9.3/24',
        },
      },
      Services: {
        web: {
          VIP: '10.0.9.2',
          Ports: [],
          LocalLBIndex: 0,
          Tasks: [
            {
              Name: `web.1.${'t'.repeat(25)}`,
              EndpointIP: '10.0.9.5',
              Info: { 'Host IP': '10.0.0.1' },
            },
          ],
        },
      },
    });
  });
});

test('the events of a network are the swarm’s', async () => {
  await site.init();
  const id = await site.create('demo');
  await site.ask('DELETE', '/networks/demo');
  const told = site.events.past(undefined, undefined, new Map([['type', ['network']]]));
  const own = told.filter(({ Actor }) => Actor.ID === id);
  expect(own).toMatchObject([
    { Type: 'network', Action: 'create', scope: 'swarm', Actor: { Attributes: { name: 'demo' } } },
    { Type: 'network', Action: 'remove', scope: 'swarm', Actor: { Attributes: { name: 'demo' } } },
  ]);
});
