import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hex, NetworkSite } from '../testing/fake-networks.ts';

let site: NetworkSite;
beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
  await site.init();
  site.engine.containers['c'] = {
    Name: '/c',
    State: { Running: true },
    NetworkSettings: { Networks: {} },
  };
  await site.create('demo', { Attachable: true });
  site.host.leaderless = {
    kind: 'failed',
    code: 'no-leader',
    message: 'the swarm does not have a leader: 1 of 3 managers is reachable, 2 are needed',
  };
});
afterEach(() => site.close());

const calls = (network: string): [string, string, object?][] => [
  ['POST', '/containers/create', { Image: 'busybox', HostConfig: { NetworkMode: network } }],
  ['POST', `/networks/${network}/connect`, { Container: 'c' }],
  ['POST', `/networks/${network}/disconnect`, { Container: 'c' }],
  ['DELETE', `/networks/${network}`],
];

describe('without quorum', () => {
  test.each(calls('mine'))('the host’s own networks are the engine’s: %s %s', async (...call) => {
    const [method, path] = call;
    expect((await site.ask(...call)).status).toBeLessThan(300);
    expect(site.engine.done).toMatchObject([{ call: `${method} ${path}` }]);
  });

  test.each([...calls('demo'), ...calls('unknown')])(
    'of others it is not known what they are: %s %s',
    async (...call) => {
      expect(await site.ask(...call)).toMatchObject({
        status: 500,
        json: { message: expect.stringContaining('The swarm does not have a leader') },
      });
      expect(site.engine.done).toEqual([]);
    },
  );

  test('prune takes what is the host’s own', async () => {
    expect(await site.ask('POST', '/networks/prune')).toMatchObject({
      status: 200,
      json: { NetworksDeleted: ['mine'] },
    });
    expect(site.engine.done).toMatchObject([{ call: `DELETE /networks/${hex('d')}` }]);
    expect(site.view.networks.byName('demo')).toBeDefined();
  });
});
