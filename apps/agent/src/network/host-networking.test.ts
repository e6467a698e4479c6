import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeNetwork } from '@shoal/overlay';
import type { HostNetworkUpdate, SwarmView } from '@shoal/proto';
import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { EndpointRecord, RecordService, TaskAssignment } from '@shoal/state';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeGossip, FakeOverlay } from '../testing/fake-network.ts';
import { sampleNode } from '../testing/sample-task.ts';
import { type FeedEnd, HostFeed } from './feed.ts';
import { HostNetworking } from './host-networking.ts';
import { GossipKeyStore, gossipKeysFile } from './key-store.ts';
import { NetworkMemory, networksFile } from './memory.ts';
import { networkMetrics } from './metrics.ts';
import type { PathProbes } from './path-check.ts';
import type { HostReachability } from './ports.ts';
import { acknowledgeMsMax } from './serving.ts';

const nodeId = 'h1';
const vtep = '192.0.2.1';
const stepMs = 20;
const patienceTurns = 1_000;

let folder: string;
let clock: FakeClock;
let overlay: FakeOverlay;
let gossip: FakeGossip;
let feed: HostFeed;
let networking: HostNetworking;
/** Of others to any container. */
let connections: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-networking-'));
  clock = new FakeClock();
  feed = new HostFeed();
  connections = 0;
  await begin();
});
afterEach(async () => {
  await networking.close();
  await rm(folder, { recursive: true, force: true });
});

/** A world in which a host is what its address says. */
const probes: PathProbes = {
  pulse: async ({ host }) => host !== '192.0.2.3',
  tcp: async (host) =>
    host === '192.0.2.3' ? { kind: 'failed', cause: 'no route to the host' } : { kind: 'ok' },
  tunnels: async (_network, addresses) =>
    new Map(addresses.map((address) => [address, { small: true, full: address !== '10.0.1.4' }])),
};

/** An agent that starts on this host. */
async function begin(driver = new FakeOverlay()): Promise<void> {
  overlay = driver;
  gossip = new FakeGossip();
  networking = await HostNetworking.begin({
    nodeId,
    overlay,
    gossip,
    feed,
    memory: new NetworkMemory(networksFile(folder), nodeId, clock, silentLogger),
    probes,
    keys: new GossipKeyStore({
      path: gossipKeysFile(folder),
      nodeId,
      secret: 'a key',
      random: systemRandom,
      logger: silentLogger,
    }),
    connections: async () => connections,
    gossipPort: 7_946,
    clock,
    logger: silentLogger,
    metrics: networkMetrics(new Registry()),
  });
}

function toldSwarm(addr = vtep): void {
  networking.swarm(swarmView, { status: { addr } });
}

const swarmView: SwarmView = {
  node: Buffer.alloc(0),
  managers: [
    { nodeId: 'm1', dispatcherAddr: '192.0.2.9:2378', logAddr: '192.0.2.9:2377' },
    { nodeId: 'm2', dispatcherAddr: '', logAddr: '[fd00::9]:2377' },
  ],
  trustRoots: '',
  issuer: '',
  gossipKeys: [Buffer.concat([Buffer.from([0, 0, 0, 7]), Buffer.alloc(32, 1)])],
};

function network(id: string): NodeNetwork {
  return {
    id,
    name: `name-of-${id}`,
    subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_097 }],
    internal: false,
    attachable: false,
    ingress: false,
    encrypted: false,
    dataPathPort: 4_789,
    balancerAddresses: ['10.0.1.2/24'],
    options: {},
    labels: {},
  };
}

function record(endpointId: string, more: Partial<EndpointRecord> = {}): EndpointRecord {
  return {
    networkId: 'n',
    endpointId,
    kind: 'task',
    nodeId,
    vtep,
    addresses: ['10.0.1.5'],
    name: `web.1.${endpointId}`,
    containerAliases: [],
    slot: 1,
    serving: false,
    ...more,
  };
}

function assignment(taskId: string, more: Partial<TaskAssignment> = {}): TaskAssignment {
  return {
    taskId,
    serviceId: 's',
    serviceName: 'web',
    serviceLabels: {},
    slot: 1,
    nodeId,
    desired: 'running',
    template: { ContainerSpec: { Image: 'i', Hostname: 'web-host' }, ForceUpdate: 0 },
    hostPorts: [],
    localNetworks: [],
    networks: [
      {
        networkId: 'n',
        addresses: ['10.0.1.5/24'],
        driverOptions: {},
        record: record(taskId),
      },
    ],
    ...more,
  };
}

const remote = (id: string, more: Partial<EndpointRecord> = {}) =>
  record(id, { nodeId: 'h2', vtep: '192.0.2.2', addresses: ['10.0.1.6'], serving: true, ...more });

/** A session says what there is, and the network is built. */
function inNetwork(records: readonly EndpointRecord[] = []): void {
  toldSwarm();
  networking.wanted([network('n')]);
  networking.told('n', records);
  overlay.build('n');
}

const published = (id: string) => gossip.published.get(`n/${id}`);

async function advance(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) await clock.advance(stepMs);
}

/** Lets virtual time go on until the work is done. */
async function finished<T>(work: Promise<T>): Promise<T> {
  let over = false;
  const done = work.finally(() => {
    over = true;
  });
  for (let turn = 0; turn < patienceTurns && !over; turn += 1) await clock.advance(stepMs);
  expect(over).toBe(true);
  return done;
}

/** A consumer that serves what it is told when the test says so. */
function consumer(name: string) {
  const updates: HostNetworkUpdate[] = [];
  const end: FeedEnd = feed.follow({
    send: (update) => {
      updates.push(update);
      return true;
    },
  });
  end.received({ consumer: name, version: 0, networks: [] });
  return {
    updates,
    end,
    serve: (digest = 'd') =>
      end.received({
        consumer: name,
        version: updates.at(-1)?.version ?? 0,
        networks: [{ networkId: 'n', digest, problems: [], unsteered: [] }],
      }),
  };
}

describe('a host in a network', () => {
  test('knows where others are and how to talk with them', () => {
    inNetwork([remote('a')]);
    expect(overlay.own).toEqual({ nodeId, vtep });
    expect(gossip.ring).toEqual([{ number: 7, key: Buffer.alloc(32, 1) }]);
    expect(gossip.seeds).toEqual([
      { nodeId: 'm1', addr: '192.0.2.9' },
      { nodeId: 'm2', addr: 'fd00::9' },
    ]);
    expect([...gossip.joined]).toEqual(['n']);
    expect(published(`lb.${nodeId}`)).toMatchObject({ kind: 'balancer', addresses: ['10.0.1.2'] });
  });

  test('programs peers that serve and those that do not, but not its own', async () => {
    inNetwork([remote('a'), remote('b', { serving: false })]);
    networking.joined(assignment('t'), 'container', sampleNode);
    await vi.waitFor(() => {
      const ids = overlay.peers.get('n')?.map(({ endpointId }) => endpointId);
      expect(ids).toEqual(['a', 'b']);
    });
    gossip.hear('n', [remote('c')], ['a']);
    await vi.waitFor(() => {
      const ids = overlay.peers.get('n')?.map(({ endpointId }) => endpointId);
      expect(ids).toEqual(['b', 'c']);
    });
  });

  test('programs them once: that they are programmed is no reason to do it again', async () => {
    inNetwork([remote('a')]);
    await vi.waitFor(() => expect(overlay.peers.get('n')).toHaveLength(1));
    const { programmings } = overlay;
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(overlay.programmings).toBe(programmings);
  });

  test('serves those on a host without an agent, and not those on one from which nothing comes back', async () => {
    inNetwork([remote('a'), remote('b', { nodeId: 'h3' })]);
    const dns = consumer('dns');
    const standing = (nodeId: string, standing: HostReachability['standing']) => {
      return { nodeId, addr: `192.0.2.${nodeId.slice(1)}:7946`, standing };
    };
    gossip.judge([standing('h2', 'dead'), standing('h3', 'dead')]);
    gossip.hear('n', [], ['a', 'b']);
    await advance(3_000);
    const serving = () => {
      const records = dns.updates.flatMap(({ changes }) =>
        changes.flatMap((change) => JSON.parse(change.toString()).records as EndpointRecord[]),
      );
      return Object.fromEntries(records.map((each) => [each.endpointId, each.serving]));
    };
    expect(serving()).toMatchObject({ a: true, b: false });
    // Reached they can be all the same.
    expect(overlay.peers.get('n')?.map(({ endpointId }) => endpointId)).toEqual(['a', 'b']);
    expect(networking.digests.now().digests[0]?.problems).toEqual([
      'node h3 does not answer: its tasks are left out',
    ]);
    networking.told('n', [remote('a'), remote('b', { nodeId: 'h3' })]);
    await advance(1_000);
    expect(serving()).toMatchObject({ b: false });
    gossip.judge([standing('h2', 'alive'), standing('h3', 'alive')]);
    await advance(1_000);
    expect(serving()).toMatchObject({ a: true, b: true });
  });

  test('tells all hosts of a task whose replies to clients cannot be led back', async () => {
    inNetwork();
    const service: RecordService = {
      ...{ id: 's', name: 'web', aliases: [], mode: 'vip', virtualIps: [] },
      ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }],
    };
    const [network] = assignment('t').networks ?? [];
    if (network === undefined) throw new Error('no network');
    const networks = [{ ...network, record: record('t', { service }) }];
    networking.joined(assignment('t', { networks }), 'container', sampleNode);
    const balancer = consumer('ingress-lb');
    await vi.waitFor(() => expect(balancer.updates).not.toHaveLength(0));
    const say = (unsteered: string[]) =>
      balancer.end.received({
        consumer: 'ingress-lb',
        version: balancer.updates.at(-1)?.version ?? 0,
        networks: [{ networkId: 'n', digest: 'd', problems: ['t sees the balancer'], unsteered }],
      });
    const source = () => published('t')?.service?.sourceAddress;
    say(['t']);
    await vi.waitFor(() => expect(source()).toBe('masquerade'));
    say([]);
    await vi.waitFor(() => expect(source()).toBeUndefined());
  });

  test('tells of every network that changed, whichever the driver names', () => {
    inNetwork();
    const dns = consumer('dns');
    networking.wanted([network('n'), network('m')]);
    overlay.build('m');
    // A container joined both; by the time the first is told both have it.
    const local = { endpointId: 't', sandbox: '/s', mac: '', addresses: [], networks: ['n', 'm'] };
    overlay.join('n', local);
    overlay.join('m', local);
    overlay.tell('m');
    overlay.tell('n');
    return vi.waitFor(() => {
      const told = new Map<string, number>();
      for (const change of dns.updates.flatMap(({ changes }) => changes)) {
        const { id, network: built } = JSON.parse(change.toString());
        if (built !== undefined) told.set(id, built.local.length);
      }
      expect(told).toEqual(
        new Map([
          ['n', 1],
          ['m', 1],
        ]),
      );
    });
  });

  test('that has another address says so of its balancer and of containers run by hand', () => {
    inNetwork();
    const addresses = ['10.0.1.50/24'];
    networking.containers.held({ networkId: 'n', endpointId: 'hand', addresses });
    const places = () => [`lb.${nodeId}`, 'hand'].map((id) => published(id)?.vtep);
    expect(places()).toEqual([vtep, vtep]);
    toldSwarm('192.0.2.77');
    expect(places()).toEqual(['192.0.2.77', '192.0.2.77']);
  });

  test('that it no longer has to have is left', () => {
    inNetwork([remote('a')]);
    networking.wanted([]);
    expect(gossip.joined.size).toBe(0);
    expect(networking.digests.now().digests).toEqual([]);
    gossip.hear('n', [remote('b')], []);
    expect(networking.digests.now().digests).toEqual([]);
  });

  test('waits with its address: a new node has none in the log yet', () => {
    toldSwarm('');
    networking.wanted([network('n')]);
    networking.told('n', [remote('a')]);
    expect(overlay.own).toBeUndefined();
    toldSwarm();
    expect(overlay.own).toEqual({ nodeId, vtep });
    expect(published(`lb.${nodeId}`)).toBeDefined();
    overlay.build('n');
    expect(networking.digests.now().digests).toHaveLength(1);
  });
});

describe('a task', () => {
  test('waits for its network and says what for', async () => {
    const unknown = await finished(networking.prepare(assignment('t')));
    expect(unknown).toEqual({
      kind: 'waiting',
      message: 'network n is not known on this host yet',
    });
    toldSwarm();
    networking.wanted([network('n')]);
    const unbuilt = await finished(networking.prepare(assignment('t')));
    expect(unbuilt).toEqual({ kind: 'waiting', message: 'network name-of-n: no tunnel device' });
    overlay.build('n');
    expect(await finished(networking.prepare(assignment('t')))).toEqual({ kind: 'ok' });
  });

  test('is reachable when it joins, served when it is healthy, and told to all hosts then', async () => {
    inNetwork();
    networking.joined(assignment('t'), '0123456789abcdef', sampleNode);
    const aliases = ['0123456789ab', 'web-host'];
    expect(published('t')).toEqual(record('t', { containerAliases: aliases }));
    expect(gossip.pushed).toEqual([]);
    await finished(networking.serve('t'));
    const serving = record('t', { containerAliases: aliases, serving: true });
    expect(gossip.pushed).toEqual([{ kind: 'record', record: serving }]);
  });

  test('is out of every balancer before it stops: other hosts and the own consumers say so', async () => {
    inNetwork();
    const dns = consumer('dns');
    dns.serve();
    networking.joined(assignment('t'), 'c', sampleNode);
    await Promise.resolve();
    dns.serve();
    const served = networking.serve('t');
    await advance(stepMs);
    dns.serve();
    await finished(served);
    const acknowledged = Promise.withResolvers<{ acknowledged: string[]; missing: string[] }>();
    gossip.outcome = () => acknowledged.promise;
    let drained = false;
    const drain = networking.drain('t').then(() => {
      drained = true;
    });
    await advance(100);
    expect(gossip.pushed.at(-1)).toMatchObject({ kind: 'record', record: { serving: false } });
    expect(drained).toBe(false);
    acknowledged.resolve({ acknowledged: ['h2'], missing: [] });
    await advance(100);
    expect(drained).toBe(false);
    dns.serve();
    await finished(drain);
    networking.gone('t');
    expect(gossip.pushed.at(-1)).toEqual({ kind: 'withdrawal', networkId: 'n', endpointId: 't' });
    expect(published('t')).toBeUndefined();
  });

  test('answers what it was sent before it stops, but connections do not keep it for ever', async () => {
    inNetwork();
    for (const id of ['t', 'u']) {
      networking.joined(assignment(id), 'c', sampleNode);
      await finished(networking.serve(id));
    }
    connections = 2;
    let drained = false;
    const drain = networking.drain('t', 7).then(() => {
      drained = true;
    });
    await advance(1_000);
    expect(drained).toBe(false);
    connections = 0;
    await finished(drain);
    connections = 1;
    const since = clock.monotonic();
    await finished(networking.drain('u', 7));
    expect(clock.monotonic() - since).toBeLessThan(3_000);
  });

  test('does not wait for ever for a host that does not answer', async () => {
    inNetwork();
    networking.joined(assignment('t'), 'c', sampleNode);
    gossip.outcome = () => new Promise(() => undefined);
    const since = clock.monotonic();
    await finished(networking.serve('t'));
    const tookMs = clock.monotonic() - since;
    expect(tookMs).toBeGreaterThanOrEqual(acknowledgeMsMax);
    expect(tookMs).toBeLessThan(acknowledgeMsMax + 200);
  });

  test('that died is withdrawn at once, and its end tells nothing more', async () => {
    inNetwork();
    networking.joined(assignment('t'), 'c', sampleNode);
    await finished(networking.serve('t'));
    networking.gone('t');
    expect(gossip.pushed.at(-1)).toMatchObject({ kind: 'withdrawal', endpointId: 't' });
    const pushes = gossip.pushed.length;
    await finished(networking.drain('t'));
    networking.gone('t');
    await finished(networking.serve('t'));
    expect(gossip.pushed).toHaveLength(pushes);
  });

  test('has another record when its service gets another address', async () => {
    inNetwork();
    networking.joined(assignment('t'), 'c', sampleNode);
    await finished(networking.serve('t'));
    const service = {
      id: 's',
      name: 'web',
      aliases: [],
      mode: 'vip' as const,
      virtualIps: ['10.0.1.9'],
      ports: [],
    };
    const [given] = assignment('t').networks ?? [];
    if (given === undefined) throw new Error('a network');
    const networks = [{ ...given, record: { ...given.record, service } }];
    networking.assigned([assignment('t', { networks })]);
    expect(published('t')).toMatchObject({ serving: true, service });
  });
});

describe('what others are to acknowledge', () => {
  test('is acknowledged when the own consumers serve it, or after a bounded wait', async () => {
    inNetwork();
    const dns = consumer('dns');
    dns.serve();
    gossip.hear('n', [remote('a')], []);
    let applied = false;
    const first = gossip.applied('n').then(() => {
      applied = true;
    });
    await advance(200);
    expect(applied).toBe(false);
    dns.serve();
    await finished(first);
    gossip.hear('n', [], ['a']);
    await finished(gossip.applied('n'));
  });
});

describe('digests', () => {
  test('say what consumers serve and the kernel has, when that changed and every few seconds', async () => {
    inNetwork([remote('a')]);
    const reports: unknown[] = [];
    networking.digests.onReport((report) => reports.push(report));
    const dns = consumer('dns');
    dns.serve('abc');
    await advance(400);
    expect(reports.at(-1)).toMatchObject({
      digests: [{ networkId: 'n', names: 'abc', balancer: '' }],
      attachments: [],
      attachmentsKnown: true,
    });
    const before = reports.length;
    await advance(7_000);
    expect(reports.length - before).toBeGreaterThanOrEqual(2);
    expect(reports.length - before).toBeLessThan(5);
    dns.end.closed();
    await advance(400);
    expect(reports.at(-1)).toMatchObject({ digests: [{ names: '' }] });
  });

  test('of a network that nobody told of are left out, so that the dispatcher tells', () => {
    toldSwarm();
    networking.wanted([network('n')]);
    overlay.build('n');
    expect(networking.digests.now().digests).toEqual([]);
    networking.told('n', []);
    expect(networking.digests.now().digests).toHaveLength(1);
  });
});

describe('after a restart of the agent', () => {
  async function restart(): Promise<void> {
    await networking.close();
    await begin();
  }

  test('everything is as it was, without a dispatcher, and consumers see no difference', async () => {
    inNetwork([remote('a')]);
    const before = consumer('dns');
    before.serve();
    networking.joined(assignment('t'), 'c', sampleNode);
    await Promise.resolve();
    before.serve();
    const serve = networking.serve('t');
    await advance(stepMs);
    before.serve();
    await finished(serve);
    await restart();
    expect(overlay.wanted).toEqual([network('n')]);
    expect(published('t')).toMatchObject({ serving: true });
    const dns = consumer('dns');
    // Nothing is told while the network is not there again.
    expect(dns.updates).toEqual([]);
    overlay.build('n');
    const [change] = dns.updates.flatMap(({ changes }) => changes);
    const { records } = JSON.parse(change?.toString() ?? '');
    const ids = records.map(({ endpointId }: EndpointRecord) => endpointId).sort();
    expect(ids).toEqual(['a', `lb.${nodeId}`, 't']);
  });

  test('gossip has its keys and hosts to find, without a dispatcher', async () => {
    inNetwork();
    gossip.judge([{ nodeId: 'h2', addr: '192.0.2.2:7946', standing: 'alive' }]);
    await restart();
    expect(gossip.ring).toEqual([{ number: 7, key: Buffer.alloc(32, 1) }]);
    expect(gossip.seeds).toEqual([
      { nodeId: 'h2', addr: '192.0.2.2' },
      { nodeId: 'm1', addr: '192.0.2.9' },
      { nodeId: 'm2', addr: 'fd00::9' },
    ]);
  });

  test('consumers hear of everything at once where the networks are still there', async () => {
    inNetwork([remote('a')]);
    networking.joined(assignment('t'), 'c', sampleNode);
    await finished(networking.serve('t'));
    const kept = overlay;
    await networking.close();
    const dns = consumer('dns');
    await begin(kept);
    expect(dns.updates).toHaveLength(1);
    const [change] = dns.updates[0]?.changes ?? [];
    const { records } = JSON.parse(change?.toString() ?? '{}');
    expect(records.map(({ endpointId }: EndpointRecord) => endpointId)).toContain('a');
    expect(records).toContainEqual(expect.objectContaining({ endpointId: 't', serving: true }));
  });

  test('a task whose container is gone is withdrawn, one that runs is not', async () => {
    inNetwork();
    for (const id of ['t', 'u']) {
      networking.joined(assignment(id), 'c', sampleNode);
      await finished(networking.serve(id));
    }
    await restart();
    overlay.build('n');
    expect(gossip.settled).toBe(0);
    networking.found(new Set(['u']));
    expect(gossip.settled).toBe(1);
    expect(published('t')).toBeUndefined();
    expect(gossip.pushed.at(-1)).toMatchObject({ kind: 'withdrawal', endpointId: 't' });
    networking.restored(assignment('u'), 'c', sampleNode);
    expect(published('u')).toMatchObject({ serving: true });
    // The driver may have lost whose the container is.
    expect(overlay.claimed).toEqual(['u']);
    await finished(networking.drain('u'));
    expect(published('u')).toMatchObject({ serving: false });
  });

  test('a container run by hand has its host’s address of now, whatever was kept of it', async () => {
    inNetwork();
    const addresses = ['10.0.1.50/24'];
    networking.containers.held({ networkId: 'n', endpointId: 'hand', addresses });
    await networking.close();
    const file = networksFile(folder);
    const kept = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...kept, vtep: '192.0.2.77' }));
    await begin();
    expect(published('hand')?.vtep).toBe('192.0.2.77');
  });

  test('what was kept and cannot be read is as nothing', async () => {
    inNetwork([remote('a')]);
    await networking.close();
    const file = networksFile(folder);
    const kept = JSON.parse(await readFile(file, 'utf8'));
    const [{ serving: _serving, ...broken }] = kept.records.n;
    await writeFile(file, JSON.stringify({ ...kept, records: { n: [broken] } }));
    await begin();
    expect(gossip.joined.size).toBe(0);
  });

  test('a container run by hand of which only the driver knows keeps its address', async () => {
    inNetwork();
    await restart();
    const addresses = ['10.0.1.50/24'];
    networking.containers.held({ networkId: 'n', endpointId: 'hand', addresses });
    expect(published('hand')).toEqual(
      record('hand', {
        kind: 'container',
        addresses: ['10.0.1.50'],
        name: '',
        slot: 0,
        serving: true,
      }),
    );
    const there = { sandbox: '/s', mac: '', addresses: ['10.0.1.50'], networks: ['n'] };
    overlay.build('n', { local: [{ endpointId: 'hand', ...there }] });
    expect(networking.digests.now()).toMatchObject({
      attachments: ['hand'],
      attachmentsKnown: true,
    });
  });

  test('a network that cannot be built again does not hold up the others for ever', async () => {
    inNetwork();
    await restart();
    const dns = consumer('dns');
    await advance(9_000);
    expect(dns.updates).toEqual([]);
    await advance(2_000);
    expect(dns.updates).toHaveLength(1);
  });
});

test('tries to reach other hosts by every path, and says why it cannot', async () => {
  const balancer = (node: string, address: string) =>
    remote(`lb.${node}`, { kind: 'balancer', nodeId: node, addresses: [address], serving: false });
  inNetwork([balancer('h2', '10.0.1.3'), balancer('h4', '10.0.1.4')]);
  gossip.hosts = [
    { nodeId: 'h2', addr: '192.0.2.2:7946', standing: 'alive' },
    { nodeId: 'h3', addr: '192.0.2.3:7946', standing: 'suspect' },
  ];
  const targets = ['h2', 'h3', 'h4'].map((node) => ({
    nodeId: node,
    addr: `192.0.2.${node.slice(1)}`,
  }));
  const { id, results } = await networking.check({ id: 'c', targets, timeoutMs: 1_000 });
  expect(id).toBe('c');
  const causes = results.map(({ nodeId: node, path, ok, cause }) => {
    expect(ok).toBe(cause === '');
    return `${node} ${path}: ${cause}`;
  });
  expect(causes).toEqual([
    'h2 gossip 7946/tcp: ',
    'h2 gossip 7946/udp: ',
    'h3 gossip 7946/tcp: no route to the host',
    'h3 gossip 7946/udp: the host does not answer and counts as suspect',
    'h4 gossip 7946/tcp: ',
    'h4 gossip 7946/udp: the hosts have not heard of each other',
    'h2 overlay 4789/udp: ',
    'h4 overlay 4789/udp: only small packets pass: packets of 1450 bytes are lost on the way (MTU)',
  ]);
});

test('a node that leaves the swarm leaves nothing behind', async () => {
  inNetwork([remote('a')]);
  const dns = consumer('dns');
  await networking.remove();
  expect(overlay.removed).toBe(true);
  expect(gossip.joined.size).toBe(0);
  expect(dns.updates.at(-1)).toMatchObject({ complete: true, changes: [] });
  await begin();
  expect(overlay.wanted).toEqual([]);
});
