import { parseSwarmInit } from '@shoal/docker-api';
import { systemClock, systemRandom } from '@shoal/runtime';
import { expect, test } from 'vitest';
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
    advertise: '10.0.0.1',
    dispatcher: { host: '0.0.0.0', port: 2_378 },
    dataPath: '10.9.0.1',
  };
  const { identity, changes } = await conceive(asked, place, systemClock, systemRandom);
  expect(identity).toMatchObject({ advertiseAddr: '10.0.0.1', dataPathAddr: '10.9.0.1' });
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
