import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { encodePacket, frameHead, gossipKeyBytes, Keyring, packetBytesMax } from '@shoal/gossip';
import { type HostPort, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { HostGossip } from './host-gossip.ts';
import { gossipMetrics } from './metrics.ts';

const key = (number: number) => ({ number, key: new Uint8Array(gossipKeyBytes).fill(number) });
const soon = { timeout: 20_000, interval: 20 };
const testMs = 40_000;

let port = 0;
const running: HostGossip[] = [];

beforeAll(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.close()));
});

function addressOf(number: number): HostPort {
  return { host: `127.0.0.${number + 10}`, port };
}

interface Started {
  readonly host: HostGossip;
  readonly metrics: Registry;
}

/** Host `n<number>`, which knows where `n1` is. */
async function start(number: number, ring = [key(1)]): Promise<Started> {
  const metrics = new Registry();
  const host = new HostGossip({
    nodeId: `n${number}`,
    advertise: addressOf(number),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    metrics: gossipMetrics(metrics),
  });
  running.push(host);
  await host.opened;
  host.keys(ring);
  host.members([{ nodeId: 'n1', addr: addressOf(1).host }]);
  return { host, metrics };
}

function record(number: number, serving = true, id = `task-of-n${number}`): EndpointRecord {
  return {
    networkId: 'net',
    endpointId: id,
    kind: 'task',
    nodeId: `n${number}`,
    vtep: addressOf(number).host,
    addresses: ['10.0.1.5'],
    name: 'web.1.abc',
    containerAliases: ['abc'],
    slot: 1,
    service: {
      id: 'service',
      name: 'web',
      aliases: [],
      mode: 'vip',
      virtualIps: ['10.0.1.2'],
      ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 0 }],
    },
    serving,
  };
}

/** Ports without any order. */
function withPorts(count: number): EndpointRecord {
  const plain = record(1);
  if (plain.service === undefined) throw new Error('a task has a service');
  const ports = Array.from({ length: count }, (_, at) => {
    return { protocol: 'udp', targetPort: 60_000 - at, publishedPort: 10_000 + at } as const;
  });
  return { ...plain, service: { ...plain.service, ports } };
}

function present(host: HostGossip): readonly string[] {
  return host.reachability().map(({ nodeId, standing }) => `${nodeId} ${standing}`);
}

/** So many hosts in the network `net` that know each other and that they are in it. */
async function cluster(count: number): Promise<readonly HostGossip[]> {
  const hosts: HostGossip[] = [];
  for (let number = 1; number <= count; number += 1) hosts.push((await start(number)).host);
  for (const [at, host] of hosts.entries()) {
    host.join('net');
    host.publish(record(at + 1, false, `first-of-n${at + 1}`));
  }
  await vi.waitFor(() => {
    for (const host of hosts) expect(host.records('net')).toHaveLength(count);
  }, soon);
  return hosts;
}

function pick(hosts: readonly HostGossip[], at: number): HostGossip {
  const host = hosts[at];
  if (host === undefined) throw new Error(`no host ${at}`);
  return host;
}

test('what a host publishes and withdraws is heard by hosts in the network alone', {
  timeout: testMs,
}, async () => {
  const hosts = await cluster(3);
  const [a, b, c] = [pick(hosts, 0), pick(hosts, 1), pick(hosts, 2)];
  const heard: string[] = [];
  b.onChange((network, changed, gone) => {
    heard.push(...changed.map(({ endpointId }) => `${network} ${endpointId}`));
    heard.push(...gone.map((id) => `${network} ${id} gone`));
  });
  c.leave('net');
  a.publish(record(1));
  await vi.waitFor(() => expect(b.records('net')).toContainEqual(record(1)), soon);
  a.withdraw('net', 'task-of-n1');
  await vi.waitFor(() => expect(heard).toContain('net task-of-n1 gone'), soon);
  expect(heard).toContain('net task-of-n1');
  expect(c.records('net')).toEqual([]);
});

test('a push is acknowledged once what it brings is served', { timeout: testMs }, async () => {
  const hosts = await cluster(3);
  const [a, b, c] = [pick(hosts, 0), pick(hosts, 1), pick(hosts, 2)];
  let served: EndpointRecord | undefined;
  b.onPush(async (network) => {
    await Promise.resolve();
    served = b.records(network).find(({ endpointId }) => endpointId === 'task-of-n1');
  });
  expect(await a.push({ kind: 'record', record: record(1) })).toEqual({
    acknowledged: expect.arrayContaining(['n2', 'n3']),
    missing: [],
  });
  expect(served).toEqual(record(1));
  c.onPush(() => new Promise(() => undefined));
  const push = { kind: 'withdrawal', networkId: 'net', endpointId: 'task-of-n1' } as const;
  expect(await a.push(push)).toEqual({ acknowledged: ['n2'], missing: ['n3'] });
});

test('as many ports as there may be are told; of more, everybody is missing', {
  timeout: testMs,
}, async () => {
  const hosts = await cluster(2);
  const [a, b] = [pick(hosts, 0), pick(hosts, 1)];
  const push = (count: number) => a.push({ kind: 'record', record: withPorts(count) });
  expect(await push(1_024)).toEqual({ acknowledged: ['n2'], missing: [] });
  expect(b.records('net')).toContainEqual(withPorts(1_024));
  expect(await push(1_025)).toEqual({ acknowledged: [], missing: ['n2'] });
});

test('the managers overrule what differs, but for the aliases they do not know', {
  timeout: testMs,
}, async () => {
  const hosts = await cluster(2);
  const [a, b] = [pick(hosts, 0), pick(hosts, 1)];
  await a.push({ kind: 'record', record: record(1) });
  const told = vi.fn();
  b.onChange(told);
  b.merge('net', [{ ...record(1), containerAliases: [] }]);
  expect(b.records('net')).toEqual(
    expect.arrayContaining([record(1), record(2, false, 'first-of-n2')]),
  );
  b.merge('net', [record(1, false)]);
  expect(b.records('net')).toContainEqual(record(1, false));
  expect(told).not.toHaveBeenCalled();
});

test('a host that comes back after a crash is believed', { timeout: testMs }, async () => {
  const hosts = await cluster(2);
  const [a, b] = [pick(hosts, 0), pick(hosts, 1)];
  for (let turn = 0; turn < 5; turn += 1)
    await b.push({ kind: 'record', record: record(2, turn % 2 === 0) });
  await b.push({ kind: 'withdrawal', networkId: 'net', endpointId: 'first-of-n2' });
  await b.close();
  const again = (await start(2)).host;
  again.join('net');
  again.publish(record(2, false));
  again.publish(record(2, true, 'first-of-n2'));
  await vi.waitFor(() => {
    expect(a.records('net')).toContainEqual(record(2, false));
    expect(a.records('net')).toContainEqual(record(2, true, 'first-of-n2'));
  }, soon);
});

test('keys rotate while hosts talk', { timeout: testMs }, async () => {
  const hosts = await cluster(2);
  const [a, b] = [pick(hosts, 0), pick(hosts, 1)];
  a.keys([key(2), key(1)]);
  expect((await b.push({ kind: 'record', record: record(2) })).acknowledged).toEqual(['n1']);
  expect((await a.push({ kind: 'record', record: record(1) })).acknowledged).toEqual(['n2']);
  b.keys([key(2), key(1)]);
  const late = (await start(3, [key(3), key(2), key(1)])).host;
  late.join('net');
  late.publish(record(3));
  await vi.waitFor(() => expect(late.records('net')).toContainEqual(record(1)), soon);
  await vi.waitFor(() => expect(a.records('net')).toContainEqual(record(3)), soon);
});

test('a host with another key learns nothing', { timeout: testMs }, async () => {
  const hosts = await cluster(2);
  const stranger = await start(3, [key(9)]);
  stranger.host.join('net');
  stranger.host.publish(record(3));
  await vi.waitFor(async () => {
    const text = await stranger.metrics.getSingleMetricAsString('shoal_gossip_messages_total');
    expect(text).toMatch(/over="tcp",direction="out"\} [1-9]/);
  }, soon);
  await pick(hosts, 0).push({ kind: 'record', record: record(1) });
  expect(present(stranger.host)).toEqual([]);
  expect(stranger.host.records('net')).toEqual([record(3)]);
  expect(present(pick(hosts, 0))).toEqual(['n2 alive']);
  const got = await stranger.metrics.getSingleMetricAsString('shoal_gossip_messages_total');
  expect(got).not.toMatch(/direction="in"/);
});

/** What comes back over UDP and TCP when these bytes are sent. */
async function answersTo(attacks: readonly Uint8Array[]): Promise<number> {
  let bytes = 0;
  const udp = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  udp.on('message', (message) => {
    bytes += message.length;
  });
  for (const attack of attacks)
    udp.send(attack.subarray(0, packetBytesMax), port, addressOf(1).host);
  for (const attack of attacks) {
    const tcp = connect(port, addressOf(1).host);
    tcp.on('error', () => undefined);
    tcp.on('data', (chunk) => {
      bytes += chunk.length;
    });
    const closed = new Promise((resolve) => tcp.once('close', resolve));
    tcp.end(Buffer.concat([frameHead(attack.length), attack]));
    await closed;
  }
  udp.close();
  return bytes;
}

test('a host that moved is found at its new address, and what it has there', {
  timeout: testMs,
}, async () => {
  const hosts = await cluster(3);
  const [a, b, c] = [pick(hosts, 0), pick(hosts, 1), pick(hosts, 2)];
  const place = { host: addressOf(9).host, port };
  b.moved(place.host);
  await b.opened;
  for (const other of [a, c]) {
    const known = () => other.reachability().find(({ nodeId }) => nodeId === 'n2');
    await vi.waitFor(
      () => expect(known()).toMatchObject({ addr: `${place.host}:${port}`, standing: 'alive' }),
      soon,
    );
  }
  await expect(reached(addressOf(2))).resolves.toBe(false);
  await expect(reached(place)).resolves.toBe(true);
  const pushed = await a.push({ kind: 'record', record: record(1) });
  expect([...pushed.acknowledged].sort()).toEqual(['n2', 'n3']);
});

/** Whether somebody accepts connections there. */
function reached({ host, port }: HostPort): Promise<boolean> {
  const socket = connect(port, host);
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).then((isThere) => {
    socket.destroy();
    return isThere === true;
  });
}

test('whatever strangers send is dropped without a byte in return', {
  timeout: testMs,
}, async () => {
  const hosts = await cluster(2);
  const ping = { kind: 'ping', sequence: 1, target: 'n1' } as const;
  const packet = encodePacket({ from: 'x', probe: ping, rumours: [], tables: [] });
  const foreign = new Keyring(systemRandom, [key(9)], 9).seal(packet);
  const random = fc.sample(fc.uint8Array({ maxLength: packetBytesMax }), 100);
  expect(await answersTo([foreign, packet, new Uint8Array(0), ...random])).toBe(0);
  expect((await pick(hosts, 0).push({ kind: 'record', record: record(1) })).missing).toEqual([]);
});

test('bent messages with the right key harm nobody', { timeout: testMs }, async () => {
  const hosts = await cluster(2);
  const ring = new Keyring(systemRandom, [key(1)], 1);
  const bent = fc.sample(fc.uint8Array({ maxLength: 200 }), 100).map((plain) => ring.seal(plain));
  await answersTo(bent);
  expect((await pick(hosts, 0).push({ kind: 'record', record: record(1) })).missing).toEqual([]);
});

test('a replayed ping from elsewhere gets less than it brought', { timeout: testMs }, async () => {
  await cluster(2);
  const ping = { kind: 'ping', sequence: 1, target: 'n1' } as const;
  const packet = encodePacket({ from: 'n2', probe: ping, rumours: [], tables: [] });
  const sealed = new Keyring(systemRandom, [key(1)], 1).seal(packet);
  const udp = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  udp.send(sealed, port, addressOf(1).host);
  const [answer] = await once(udp, 'message');
  expect((answer as Buffer).length).toBeLessThanOrEqual(sealed.length);
  udp.close();
});

test('a connection that does not show the key in time, or announces too much, is closed', {
  timeout: testMs,
}, async () => {
  await start(1);
  const tcp = connect(port, addressOf(1).host);
  tcp.on('error', () => undefined);
  const closed = once(tcp, 'close');
  tcp.write(frameHead(1_000_000));
  await closed;
});

test('figures tell of members, records and what was sent', { timeout: testMs }, async () => {
  const a = await start(1);
  const b = await start(2);
  for (const { host } of [a, b]) host.join('net');
  b.host.publish(record(2));
  await vi.waitFor(() => expect(a.host.records('net')).toHaveLength(1), soon);
  const text = await a.metrics.metrics();
  expect(text).toContain('shoal_gossip_members{standing="alive"} 1');
  expect(text).toContain('shoal_gossip_records 1');
  expect(text).toContain('shoal_gossip_health_score 0');
  expect(text).toMatch(/shoal_gossip_bytes_total\{over="udp",direction="out"\} [1-9]/);
  expect(text).toContain('shoal_gossip_lag_seconds_count 1');
});
