// The programs that probe, in a namespace of its own whose only way is the loopback device.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canMakeNamespaces, ip } from '../overlay/testing/scratch-host.ts';
import { sampleHostNetwork } from '../testing/sample-network.ts';
import { pathProbes } from './path-probes.ts';

const name = `shoalp-${process.pid}`;
const network = sampleHostNetwork(name);

describe.skipIf(!canMakeNamespaces())('probes of a network’s tunnels', () => {
  beforeAll(() => {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  });
  afterAll(() => {
    ip('netns', 'delete', name);
  });

  test('reach who is there, also when there is no way to another', async () => {
    const found = await pathProbes.tunnels(network, ['127.0.0.1', '192.0.2.7'], 5_000);
    expect(found).toEqual(
      new Map([
        ['127.0.0.1', { small: true, full: true }],
        ['192.0.2.7', { small: false, full: false }],
      ]),
    );
  });
});
