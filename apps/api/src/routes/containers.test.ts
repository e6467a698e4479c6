import type { Identity } from '@shoal/pki';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail, hex, NetworkSite } from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
});
afterEach(() => site.close());

/** As an engine inspects it. */
const containerIn = (Running: boolean, network?: string): object => ({
  Name: '/c',
  State: { Running },
  NetworkSettings: { Networks: network === undefined ? {} : { [network]: { EndpointID: 'e' } } },
});

describe('a container run by hand', () => {
  beforeEach(async () => {
    await site.init();
  });
  const run = (network: string) => ({
    Image: 'busybox',
    HostConfig: { NetworkMode: network, AutoRemove: true },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: ['al'] } } },
  });

  test('joins what the agent built for an attachable network', async () => {
    const id = await site.create('demo', { Attachable: true });
    const asked: string[] = [];
    site.engine.containers['c'] = containerIn(true);
    site.attach = async (network) => {
      asked.push(network);
      return { kind: 'attached', engineNetwork: 'shoal-demo' };
    };
    expect((await site.ask('POST', '/containers/create?name=c', run('demo'))).status).toBe(201);
    const connect = { Container: 'c', EndpointConfig: { Aliases: ['al'] } };
    expect((await site.ask('POST', '/networks/demo/connect', connect)).status).toBe(201);
    site.standIn(id, 'shoal-demo');
    const disconnect = { Container: 'c', Force: false };
    expect((await site.ask('POST', '/networks/demo/disconnect', disconnect)).status).toBe(201);
    expect(asked).toEqual([id, id]);
    expect(site.engine.done).toEqual([
      {
        call: 'POST /containers/create',
        body: {
          Image: 'busybox',
          HostConfig: { NetworkMode: 'shoal-demo', AutoRemove: true },
          NetworkingConfig: { EndpointsConfig: { 'shoal-demo': { Aliases: ['al'] } } },
        },
      },
      { call: 'POST /networks/shoal-demo/connect', body: connect },
      { call: `POST /networks/${hex('f')}/disconnect`, body: disconnect },
    ]);
  });

  test('keeps the numbers of its settings, however large', async () => {
    await site.create('demo', { Attachable: true });
    site.attach = async () => ({ kind: 'attached', engineNetwork: 'shoal-demo' });
    const settings = (network: string): string =>
      `{"HostConfig":{"NetworkMode":"${network}","CpuShares":2,"Ulimits":[{"Soft":9223372036854775807,"Hard":-1}],"x":1.50},"NetworkingConfig":{"EndpointsConfig":{}}}`;
    await site.ask('POST', '/containers/create', settings('demo'));
    expect(site.engine.said).toEqual([settings('shoal-demo')]);
  });

  test.each<[string, readonly string[], readonly string[], string | undefined]>([
    ['the host’s', [], ['10.0.1.1', '192.0.2.1', '192.0.2.2'], undefined],
    ['the user’s own', ['192.0.2.54'], ['10.0.1.1', '192.0.2.54'], '192.0.2.54'],
    ['two of the user’s', ['a', 'b', 'c'], ['10.0.1.1', 'a', 'b'], 'a,b,c'],
    [
      'the host’s where it was given itself',
      ['10.0.1.1'],
      ['10.0.1.1', '192.0.2.1', '192.0.2.2'],
      undefined,
    ],
  ])('asks the network’s resolver for names, then %s', async (_what, given, Dns, told) => {
    await site.create('demo', { Attachable: true });
    site.attach = async () => ({
      ...{ kind: 'attached', engineNetwork: 'shoal-demo' },
      nameservers: ['10.0.1.1', '192.0.2.1', '192.0.2.2'],
    });
    const HostConfig = { NetworkMode: 'demo', Dns: given };
    const asked = { ...run('demo'), HostConfig };
    await site.ask('POST', '/containers/create', asked);
    await site.ask('POST', '/containers/create', { Image: 'busybox', HostConfig });
    const DriverOpts = { 'com.shoal.nameservers': told };
    const more = told === undefined ? {} : { DriverOpts };
    const bodyWith = (EndpointsConfig: object) => ({
      body: {
        HostConfig: { NetworkMode: 'shoal-demo', Dns },
        NetworkingConfig: { EndpointsConfig },
      },
    });
    expect(site.engine.done).toMatchObject([
      bodyWith({ 'shoal-demo': { Aliases: ['al'], ...more } }),
      bodyWith(told === undefined ? {} : { 'shoal-demo': more }),
    ]);
  });

  test('is refused a network that is not attachable, and one that the agent cannot build', async () => {
    await site.create('closed');
    await site.create('broken', { Attachable: true });
    site.engine.containers['c'] = containerIn(true);
    const refusal = fail(
      500,
      'Could not attach to network closed: rpc error: code = PermissionDenied desc = network closed not manually attachable',
    );
    expect(await site.ask('POST', '/containers/create', run('closed'))).toMatchObject(refusal);
    expect(await site.ask('POST', '/networks/closed/connect', { Container: 'c' })).toMatchObject(
      refusal,
    );
    expect(await site.ask('POST', '/containers/create', run('broken'))).toMatchObject(
      fail(500, 'Could not attach to network broken: no agent in this test'),
    );
    expect(site.engine.done).toEqual([]);
  });

  test.each(['manager', 'worker'] as const)('that runs, connected on a %s', async (kind) => {
    await site.create('demo', { Attachable: true });
    site.attach = async (network) =>
      network === 'nope'
        ? { kind: 'refused', problem: 'network nope not found' }
        : { kind: 'attached', engineNetwork: 'demo' };
    if (kind === 'worker') site.host.standing = { kind, identity: { nodeId: 'w' } as Identity };
    const connect = (network: string, Container: string) =>
      site.ask('POST', `/networks/${network}/connect`, { Container });
    site.engine.containers['runs'] = containerIn(true);
    site.engine.containers['waits'] = containerIn(false);
    site.engine.containers['inside'] = containerIn(true, 'demo');
    expect(await connect('nope', 'runs')).toMatchObject(
      fail(
        500,
        'Could not attach to network nope: rpc error: code = NotFound desc = network nope not found',
      ),
    );
    expect(await connect('demo', 'inside')).toMatchObject(
      fail(409, 'c is already attached to network demo'),
    );
    expect(site.engine.done).toEqual([]);
    for (const [network, container] of [
      ['demo', 'runs'],
      ['mine', 'runs'],
      ['nope', 'waits'],
      ['nope', 'unknown'],
    ] as const)
      await connect(network, container);
    expect(site.engine.done.map(({ call }) => call)).toEqual([
      'POST /networks/demo/connect',
      'POST /networks/mine/connect',
      'POST /networks/nope/connect',
      'POST /networks/nope/connect',
    ]);
  });

  test('that starts again joins what its network is by then', async () => {
    await site.create('demo', { Attachable: true });
    const asked: string[] = [];
    site.attach = async () => {
      asked.push('demo');
      return { kind: 'attached', engineNetwork: 'demo' };
    };
    const Aliases = ['al'];
    const networks = {
      mine: { NetworkID: hex('d') },
      demo: { NetworkID: hex('9'), Aliases, IPAddress: '10.0.1.7' },
      nope: { NetworkID: '' },
    };
    site.engine.containers['c'] = {
      Id: hex('8'),
      State: { Running: false },
      NetworkSettings: { Networks: networks },
    };
    for (const action of ['start', 'restart'])
      await site.ask('POST', `/v1.41/containers/c/${action}`);
    expect(asked).toEqual(['demo', 'demo']);
    const joined = [
      { call: 'POST /networks/demo/disconnect', body: { Container: hex('8'), Force: true } },
      {
        call: 'POST /networks/demo/connect',
        body: { Container: hex('8'), EndpointConfig: { Aliases } },
      },
    ];
    expect(site.engine.done).toEqual([
      ...joined,
      { call: 'POST /containers/c/start', body: null },
      ...joined,
      { call: 'POST /containers/c/restart', body: null },
    ]);
  });

  test('that cannot start for want of a network is told so in Docker’s words', async () => {
    const unknown =
      'Could not attach to network nope: rpc error: code = NotFound desc = network nope not found';
    expect(await site.ask('POST', '/containers/c/start')).toMatchObject(fail(500, unknown));
    site.host.standing = { kind: 'inactive' };
    expect(await site.ask('POST', '/containers/c/start')).toMatchObject(
      fail(404, 'network nope not found'),
    );
  });

  test('on a worker goes by what a manager says of the network, through the agent', async () => {
    const identity = { nodeId: 'w', managers: [] } as unknown as Identity;
    site.host.standing = { kind: 'worker', identity };
    const asked: string[] = [];
    site.attach = async (network) => {
      asked.push(network);
      if (network === 'demo') return { kind: 'attached', engineNetwork: 'demo' };
      if (network === 'closed')
        return { kind: 'refused', problem: 'network closed not manually attachable' };
      return { kind: 'refused', problem: `network ${network} not found` };
    };
    for (const network of ['demo', 'mine', 'nope'])
      expect((await site.ask('POST', '/containers/create', run(network))).status).toBe(201);
    expect(await site.ask('POST', '/containers/create', run('closed'))).toMatchObject(
      fail(
        500,
        'Could not attach to network closed: rpc error: code = PermissionDenied desc = network closed not manually attachable',
      ),
    );
    expect(asked).toEqual(['demo', 'nope', 'closed']);
    expect(site.engine.done.map(({ body }) => body)).toEqual(['demo', 'mine', 'nope'].map(run));
  });

  test.each(['bridge', 'host', 'none', 'default', 'container:abc', 'mine', 'unknown'])(
    'on network %s is the engine’s business, word for word',
    async (network) => {
      const body = run(network);
      expect((await site.ask('POST', '/containers/create', body)).status).toBe(201);
      expect(site.engine.done).toEqual([{ call: 'POST /containers/create', body }]);
    },
  );
});
