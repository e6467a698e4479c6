import type { Identity } from '@shoal/pki';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fail, hex, NetworkSite } from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
});
afterEach(() => site.close());

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

  test('is refused a network that is not attachable, and one that the agent cannot build', async () => {
    await site.create('closed');
    await site.create('broken', { Attachable: true });
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
