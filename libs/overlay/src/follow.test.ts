import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger, systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { servedDigest } from './digest.ts';
import { type Following, followHostNetworks } from './follow.ts';
import type { HostNetworkChange } from './networks.ts';
import { FakeAgent } from './testing/fake-agent.ts';
import { someRecord } from './testing/records.ts';

const patience = { timeout: 10_000, interval: 5 };

let folder: string;
let agent: FakeAgent;
let following: Following | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-follow-'));
  agent = new FakeAgent(join(folder, 'networks.sock'));
});
afterEach(async () => {
  following?.close();
  agent.kill();
  await rm(folder, { recursive: true, force: true });
});

const whole: HostNetworkChange = {
  id: 'n',
  network: {
    id: 'n',
    name: 'demo',
    namespace: '/run/netns/shoal-4097',
    subnets: [],
    internal: false,
    ingress: false,
    mtu: 1450,
    balancerAddresses: [],
    upstreams: [],
    local: [],
  },
  complete: true,
  records: [someRecord('a')],
  gone: [],
};

function follow(
  onUpdate: Parameters<typeof followHostNetworks>[0]['onUpdate'],
  logger: Logger = silentLogger,
): Following {
  const made = followHostNetworks({
    socket: agent.path,
    consumer: 'dns',
    clock: systemClock,
    logger,
    onUpdate,
    served: () =>
      Array.from(made.tables.networks, ([networkId, { records }]) => ({
        networkId,
        digest: servedDigest(records.values(), 'names'),
        problems: [],
      })),
  });
  following = made;
  return made;
}

const last = () => agent.served.at(-1);

test('introduces itself, serves what it is told, and says so', async () => {
  await agent.start();
  const seen: string[][] = [];
  follow((_tables, changed) => {
    seen.push([...changed]);
  });
  await vi.waitFor(() => expect(agent.streams).toBe(1), patience);
  await vi.waitFor(() => expect(last()).toMatchObject({ consumer: 'dns', version: 0 }), patience);
  agent.tell([whole], true);
  await vi.waitFor(() => expect(last()?.version).toBe(1), patience);
  expect(seen).toEqual([['n']]);
  const digest = servedDigest([someRecord('a')], 'names');
  expect(last()?.networks).toEqual([{ networkId: 'n', digest, problems: [], unsteered: [] }]);
  agent.tell([{ id: 'n', complete: false, records: [], gone: ['a'] }]);
  await vi.waitFor(() => expect(last()?.version).toBe(2), patience);
  expect(last()?.networks).toEqual([
    { networkId: 'n', digest: servedDigest([], 'names'), problems: [], unsteered: [] },
  ]);
});

test('what comes while an update is being served is served together, and said once', async () => {
  await agent.start();
  const gate = Promise.withResolvers<void>();
  const sizes: number[] = [];
  follow(async (tables) => {
    sizes.push(tables.networks.get('n')?.records.size ?? 0);
    if (sizes.length === 1) await gate.promise;
  });
  await vi.waitFor(() => expect(agent.served).toHaveLength(1), patience);
  agent.tell([whole], true);
  await vi.waitFor(() => expect(sizes).toEqual([1]), patience);
  for (const id of ['b', 'c', 'd']) {
    agent.tell([{ id: 'n', complete: false, records: [someRecord(id)], gone: [] }]);
  }
  await vi.waitFor(
    () => expect(following?.tables.networks.get('n')?.records.size).toBe(4),
    patience,
  );
  expect(last()?.version).toBe(0);
  gate.resolve();
  await vi.waitFor(() => expect(last()?.version).toBe(4), patience);
  expect(sizes).toEqual([1, 4]);
});

test('without the agent the last known stays; it comes back by itself', async () => {
  await agent.start();
  const changes: string[][] = [];
  const made = follow((_tables, changed) => {
    changes.push([...changed]);
  });
  await vi.waitFor(() => expect(agent.streams).toBe(1), patience);
  agent.tell([whole], true);
  await vi.waitFor(() => expect(last()?.version).toBe(1), patience);
  agent.kill();
  await vi.waitFor(() => expect(made.connected).toBe(false), patience);
  expect(made.tables.networks.get('n')?.records.size).toBe(1);
  agent.served.length = 0;
  await agent.start();
  await vi.waitFor(() => expect(agent.streams).toBe(2), patience);
  // The same as before: nothing to do, but the agent waits to hear that it is served.
  agent.tell([whole], true);
  await vi.waitFor(() => expect(last()?.version).toBe(1), patience);
  expect(changes).toEqual([['n']]);
});

test('what could not be served is tried again', async () => {
  await agent.start();
  let tries = 0;
  follow((_tables, changed) => {
    tries += 1;
    expect([...changed]).toEqual(['n']);
    if (tries === 1) throw new Error('the kernel says no');
  });
  await vi.waitFor(() => expect(agent.streams).toBe(1), patience);
  agent.tell([whole], true);
  await vi.waitFor(() => expect(last()?.version).toBe(1), patience);
  expect(tries).toBe(2);
});

test('an update that cannot be read ends the stream, says why once, and is asked for again', async () => {
  await agent.start();
  const lines: string[] = [];
  const logger = silentLogger.child({});
  logger.warn = ({ reason }: { reason: string }) => lines.push(reason);
  const made = follow(() => undefined, logger);
  await vi.waitFor(() => expect(agent.streams).toBe(1), patience);
  agent.tell([whole], true);
  await vi.waitFor(() => expect(last()?.version).toBe(1), patience);
  for (const stream of [2, 3]) {
    agent.tellAnything([{ ...whole, records: [{ networkId: 'n' }] }]);
    await vi.waitFor(() => expect(agent.streams).toBe(stream), patience);
    expect(made.tables.networks.get('n')?.records.size).toBe(1);
  }
  agent.tell([whole], true);
  await vi.waitFor(() => expect(made.connected).toBe(true), patience);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^an update of the agent cannot be read: .*records\.0\.endpointId: /);
});
