import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { askNetwork } from './ask-network.ts';
import type { HostNetwork } from './networks.ts';
import { FakeAgent } from './testing/fake-agent.ts';
import { someRecord } from './testing/records.ts';

const patience = { timeout: 10_000, interval: 5 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-ask-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const network: HostNetwork = {
  ...{ id: 'n', name: 'demo', namespace: '/run/netns/shoal-4097', subnets: [] },
  ...{ internal: false, ingress: false, mtu: 1_450 },
  ...{ balancerAddresses: [], upstreams: [], local: [] },
};
const ask = (networkId: string) =>
  askNetwork({ socket: join(folder, 'networks.sock'), networkId, clock: systemClock });

test('gives who is in the network, and nobody of one that is not here', async () => {
  const agent = new FakeAgent(join(folder, 'networks.sock'));
  const records = [someRecord('a'), someRecord('b')];
  await agent.start();
  const told = async (networkId: string) => {
    const before = agent.served.length;
    const asked = ask(networkId);
    await vi.waitFor(() => expect(agent.served.length).toBeGreaterThan(before), patience);
    agent.tell([{ id: 'n', network, complete: true, records, gone: [] }], true);
    return asked;
  };
  try {
    expect(await told('n')).toEqual(records);
    expect(await told('other')).toEqual([]);
  } finally {
    agent.kill();
  }
});

test('gives nobody where the answer cannot be read', async () => {
  const agent = new FakeAgent(join(folder, 'networks.sock'));
  await agent.start();
  try {
    const asked = ask('n');
    await vi.waitFor(() => expect(agent.served).toHaveLength(1), patience);
    agent.tellAnything([{ id: 'n', network, complete: true, gone: [] }], true);
    expect(await asked).toEqual([]);
  } finally {
    agent.kill();
  }
});

test('gives nobody where no agent is', async () => {
  expect(await ask('n')).toEqual([]);
});
