import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { KeyRotation } from '@shoal/gossip';
import { systemClock, systemRandom } from '@shoal/runtime';
import { Registry } from 'prom-client';
import { expect, test, vi } from 'vitest';
import { Datagrams } from './datagrams.ts';
import { gossipMetrics } from './metrics.ts';

test('a port that somebody else has costs no descriptor, however often it is tried', async () => {
  const other = createSocket('udp4').bind(0, '127.0.0.1');
  await once(other, 'listening');
  const datagrams = new Datagrams({
    keys: new KeyRotation(systemRandom, systemClock),
    metrics: gossipMetrics(new Registry()),
    received: () => undefined,
  });
  const listen = { host: '127.0.0.1', port: other.address().port };
  const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
  const before = await descriptors();
  for (let attempt = 0; attempt < 50; attempt += 1)
    await expect(datagrams.open(listen)).rejects.toThrow('EADDRINUSE');
  await vi.waitFor(async () => expect((await descriptors()) - before).toBeLessThan(10));
  other.close();
});
