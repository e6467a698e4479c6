import { parseSwarmInit } from '@shoal/docker-api';
import { systemClock, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
import { ownMember } from './ask-managers.ts';
import { conceive } from './genesis.ts';

test('what is asked for of addresses and tunnels is kept', async () => {
  const asked = parseSwarmInit({
    ListenAddr: '0.0.0.0:2377',
    DefaultAddrPool: ['10.30.0.0/16'],
    SubnetSize: 26,
    DataPathPort: 4_800,
  });
  const place = {
    listen: { host: '0.0.0.0', port: 2_377 },
    advertise: { host: '10.0.0.1', port: 2_377 },
    dispatcher: { host: '0.0.0.0', port: 2_378 },
    dataPath: '10.9.0.1',
    named: true,
  };
  const { identity, changes } = await conceive(asked, place, systemClock, systemRandom);
  expect(identity).toMatchObject({
    advertiseAddr: '10.0.0.1',
    advertiseNamed: true,
    dataPathAddr: '10.9.0.1',
  });
  expect(changes).toContainEqual({
    op: 'create',
    table: 'cluster',
    object: expect.objectContaining({
      defaultAddressPool: ['10.30.0.0/16'],
      subnetSize: 26,
      dataPathPort: 4_800,
    }),
  });
});

test.each([
  ['the port that listens', 2_377, undefined],
  ['another port, as behind address translation', 12_377, 12_377],
])('others are told %s', async (_what, port, advertisePort) => {
  const asked = parseSwarmInit({ ListenAddr: '0.0.0.0:2377' });
  const place = {
    listen: { host: '0.0.0.0', port: 2_377 },
    advertise: { host: '203.0.113.7', port },
    dispatcher: { host: '0.0.0.0', port: 2_378 },
  };
  const { identity, changes } = await conceive(asked, place, systemClock, systemRandom);
  const addr = `203.0.113.7:${port}`;
  expect(identity.advertisePort).toBe(advertisePort);
  expect(identity).toMatchObject({
    advertiseAddr: '203.0.113.7',
    listenAddr: '0.0.0.0:2377',
    logAddr: '127.0.0.1:2377',
    managers: [{ logAddr: addr, dispatcherAddr: '203.0.113.7:2378' }],
  });
  expect(ownMember(identity).addr).toBe(addr);
  expect(changes).toContainEqual({
    op: 'create',
    table: 'node',
    object: expect.objectContaining({ manager: { raftId: identity.voterId, addr } }),
  });
});
