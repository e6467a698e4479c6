import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Following,
  followHostNetworks,
  type HostConsumer,
  type HostNetwork,
  type HostTables,
  servedDigest,
} from '@shoal/overlay';
import type { HostNetworkUpdate } from '@shoal/proto';
import { silentLogger, systemClock } from '@shoal/runtime';
import { SocketServedError } from '@shoal/runtime/process';
import type { EndpointRecord } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sampleHostNetwork } from '../testing/sample-network.ts';
import { behindMax, type FeedSource, HostFeed } from './feed.ts';
import { FeedServer } from './feed-server.ts';

const patience = { timeout: 10_000, interval: 5 };

function record(endpointId: string, serving = true): EndpointRecord {
  return {
    networkId: 'n',
    endpointId,
    kind: 'task',
    nodeId: 'h',
    vtep: '192.0.2.1',
    addresses: ['10.0.0.3'],
    name: `web.1.${endpointId}`,
    containerAliases: [],
    slot: 1,
    serving,
  };
}

/** What a test's host has. */
class FakeSource implements FeedSource {
  readonly built = new Map<string, HostNetwork>();
  readonly table = new Map<string, EndpointRecord>();
  networks = () => this.built;
  records = () => [...this.table.values()];
  record = (_networkId: string, endpointId: string) => this.table.get(endpointId);
}

let feed: HostFeed;
let source: FakeSource;

beforeEach(() => {
  feed = new HostFeed();
  source = new FakeSource();
  source.built.set('n', sampleHostNetwork('n'));
  source.table.set('a', record('a'));
});

describe('over the socket', () => {
  let folder: string;
  let path: string;
  let server: FeedServer;
  const followers: Following[] = [];
  const attach = async (name: string) => ({
    engineNetwork: `engine-${name}`,
    problem: '',
    nameservers: [],
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-feed-'));
    path = join(folder, 'agent', 'networks.sock');
    server = await FeedServer.listen(path, feed, attach);
  });
  afterEach(async () => {
    for (const follower of followers.splice(0)) follower.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  function follow(
    consumer: HostConsumer,
    onUpdate: (tables: HostTables) => Promise<void> | void = () => undefined,
  ): Following {
    const digestOf = consumer === 'dns' ? 'names' : 'balancer';
    const following = followHostNetworks({
      socket: path,
      consumer,
      clock: systemClock,
      logger: silentLogger,
      onUpdate,
      served: () =>
        Array.from(following.tables.networks, ([networkId, { records }]) => ({
          networkId,
          digest: servedDigest(records.values(), digestOf),
          problems: [],
        })),
    });
    followers.push(following);
    return following;
  }

  const recordsOf = ({ tables }: Following) => tables.networks.get('n')?.records;

  test('only the owner can open it', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('it stays with the agent that has it', async () => {
    const second = FeedServer.listen(path, feed, attach);
    await expect(second).rejects.toThrow(new SocketServedError(path));
    const dns = follow('dns');
    await vi.waitFor(() => expect(feed.consumers).toEqual(['dns']), patience);
    expect(dns.connected).toBe(false);
  });

  test('consumers are told nothing before the networks are known, and then everything', async () => {
    const dns = follow('dns');
    await vi.waitFor(() => expect(feed.consumers).toEqual(['dns']), patience);
    expect(dns.connected).toBe(false);
    feed.open(source, () => undefined);
    await vi.waitFor(() => expect(recordsOf(dns)?.size).toBe(1), patience);
    source.table.set('b', record('b'));
    source.table.delete('a');
    feed.recordsChanged('n', ['a', 'b']);
    await vi.waitFor(() => expect([...(recordsOf(dns)?.keys() ?? [])]).toEqual(['b']), patience);
    source.built.set('n', sampleHostNetwork('n', { mtu: 1_400 }));
    feed.networkChanged('n');
    await vi.waitFor(() => expect(dns.tables.networks.get('n')?.network.mtu).toBe(1_400), patience);
    source.built.clear();
    feed.networkChanged('n');
    await vi.waitFor(() => expect(dns.tables.networks.size).toBe(0), patience);
  });

  test('settled waits for every consumer that is there, and for nobody else', async () => {
    feed.open(source, () => undefined);
    await feed.settled();
    const gate = Promise.withResolvers<void>();
    let held = false;
    follow('dns');
    const balancer = follow('ingress-lb', async ({ networks }) => {
      if (networks.get('n')?.records.has('b') !== true) return;
      held = true;
      await gate.promise;
    });
    await vi.waitFor(() => expect(feed.servedBy('ingress-lb', 'n')).toBeDefined(), patience);
    await vi.waitFor(() => expect(feed.servedBy('dns', 'n')).toBeDefined(), patience);
    source.table.set('b', record('b'));
    feed.recordsChanged('n', ['b']);
    let settled = false;
    const wait = feed.settled().then(() => {
      settled = true;
    });
    await vi.waitFor(() => expect(held).toBe(true), patience);
    const names = servedDigest(source.records(), 'names');
    await vi.waitFor(() => expect(feed.servedBy('dns', 'n')?.digest).toBe(names), patience);
    expect(settled).toBe(false);
    gate.resolve();
    await wait;
    expect(recordsOf(balancer)?.size).toBe(2);
  });

  test('a consumer that goes away is not waited for', async () => {
    feed.open(source, () => undefined);
    let held = false;
    const dns = follow('dns', ({ networks }) => {
      if (networks.get('n')?.records.has('b') !== true) return;
      held = true;
      return new Promise(() => undefined);
    });
    await vi.waitFor(() => expect(feed.servedBy('dns', 'n')).toBeDefined(), patience);
    source.table.set('b', record('b'));
    feed.recordsChanged('n', ['b']);
    const settled = feed.settled();
    await vi.waitFor(() => expect(held).toBe(true), patience);
    dns.close();
    await settled;
    await vi.waitFor(() => expect(feed.consumers).toEqual([]), patience);
  });

  test('a swarm that was left is nothing to serve', async () => {
    feed.open(source, () => undefined);
    const dns = follow('dns');
    await vi.waitFor(() => expect(recordsOf(dns)?.size).toBe(1), patience);
    feed.openEmpty();
    await vi.waitFor(() => expect(dns.tables.networks.size).toBe(0), patience);
  });
});

describe('a slow consumer', () => {
  function slow() {
    const updates: HostNetworkUpdate[] = [];
    let fast = false;
    const end = feed.follow({
      send: (update) => {
        updates.push(update);
        return fast;
      },
    });
    end.received({ consumer: 'dns', version: 0, networks: [] });
    const read = () => {
      fast = true;
      end.drained();
    };
    const last = () => JSON.parse(updates.at(-1)?.changes[0]?.toString() ?? 'null');
    return { updates, read, last };
  }

  test('gets what changed meanwhile in one, as it is by then', () => {
    feed.open(source, () => undefined);
    const { updates, read, last } = slow();
    expect(updates).toHaveLength(1);
    for (const serving of [false, true, false]) {
      source.table.set('a', record('a', serving));
      feed.recordsChanged('n', ['a']);
    }
    feed.recordsChanged('n', ['gone']);
    expect(updates).toHaveLength(1);
    read();
    expect(updates).toHaveLength(2);
    expect(last()).toEqual({
      id: 'n',
      complete: false,
      records: [record('a', false)],
      gone: ['gone'],
    });
  });

  test('that is far behind gets all of the network', () => {
    feed.open(source, () => undefined);
    const { read, last } = slow();
    const ids = Array.from({ length: behindMax + 1 }, (_, at) => `t${at}`);
    for (const id of ids) source.table.set(id, record(id));
    feed.recordsChanged('n', ids);
    read();
    expect(last().complete).toBe(true);
    expect(last().records).toHaveLength(behindMax + 2);
  });
});
