import { nodeAttachmentId } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import type { Dispatcher } from '../core/dispatcher.ts';
import { FakeHost, meta, NetworkSwarm, stepMs } from '../testing/fake-network-swarm.ts';
import { driftGraceMs, repairEveryMs, repairEveryMsMax } from './limits.ts';

let swarm: NetworkSwarm;

beforeEach(() => {
  swarm = new NetworkSwarm();
});

test('a node hears of its networks, and of everybody in those that are new to it', async () => {
  swarm.addTask('a', 11, 'n1');
  swarm.addTask('b', 12, 'n2', 'preparing');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  expect(host.networks?.map(({ id }) => id)).toEqual(['net']);
  expect(host.told).toEqual(['net']);
  expect(host.records?.map(({ endpointId }) => endpointId)).toEqual(['a']);
  const other = new FakeHost('n2');
  await other.register(dispatcher);
  expect(other.networks?.map(({ id }) => id)).toEqual(['net']);
});

test('only what concerns a node is sent to it', async () => {
  const dispatcher = swarm.start();
  const [one, two] = [new FakeHost('n1'), new FakeHost('n2')];
  await one.register(dispatcher);
  await two.register(dispatcher);
  expect(one.networks).toEqual([]);
  swarm.addTask('a', 11, 'n1', 'assigned');
  expect(one.networks?.map(({ id }) => id)).toEqual(['net']);
  expect(two.lists).toBe(1);
  one.forget();
  two.forget();
  for (const state of ['accepted', 'preparing', 'ready', 'starting', 'running'] as const)
    swarm.move('a', state);
  expect(one.lists).toBe(0);
  swarm.addNetwork('other');
  expect([one.lists, two.lists]).toEqual([0, 0]);
  const id = nodeAttachmentId('net', 'n1');
  const attachment = {
    id,
    meta,
    networkId: 'net',
    nodeId: 'n1',
    kind: 'node',
    addresses: [],
  } as const;
  swarm.log.write([
    { op: 'create', table: 'attachment', object: { ...attachment, addresses: ['10.0.1.3/24'] } },
  ]);
  expect(one.networks?.[0]?.balancerAddresses).toEqual(['10.0.1.3/24']);
  swarm.move('a', 'shutdown', 'shutdown');
  expect(one.networks).toEqual([]);
  expect(two.lists).toBe(0);
});

test('the ingress network is on every node', async () => {
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  swarm.addNetwork('ingress', { Ingress: true });
  expect(host.networks?.map(({ id }) => id)).toEqual(['ingress']);
  expect(host.told).toEqual(['ingress']);
});

test('an assignment says how the task is in its networks, again when that changes', async () => {
  swarm.addTask('a', 11, 'n1', 'assigned');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  // The node's own address is in the log only now.
  expect(host.assignments.at(-1)?.networks).toEqual([
    {
      networkId: 'net',
      addresses: ['10.0.1.11/24'],
      driverOptions: {},
      record: {
        networkId: 'net',
        endpointId: 'a',
        kind: 'task',
        nodeId: 'n1',
        vtep: '192.0.2.1',
        addresses: ['10.0.1.11'],
        name: 'web.11.a',
        containerAliases: [],
        slot: 11,
        service: {
          id: 's',
          name: 'web',
          aliases: ['www'],
          mode: 'vip',
          virtualIps: ['10.0.1.9'],
          ports: [],
        },
        serving: false,
      },
    },
  ]);
  host.forget();
  swarm.move('a', 'accepted');
  expect(host.assignments).toEqual([]);
  swarm.giveVirtualIp('10.0.1.8/24');
  const [again] = host.assignments;
  expect(again?.networks?.[0]?.record.service?.virtualIps).toEqual(['10.0.1.8']);
});

test('a host that serves something else is told all after a grace, and is counted', async () => {
  // The host sends no heartbeats.
  swarm.addCluster(86_400);
  swarm.addTask('a', 11, 'n1');
  swarm.addTask('b', 12, 'n2');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  host.forget();
  await swarm.advance(repairEveryMs);
  host.serves([{ names: swarm.right() }]);
  await swarm.advance(2 * driftGraceMs);
  expect(host.told).toEqual([]);
  host.serves([{ names: 'stale' }]);
  await swarm.advance(driftGraceMs - 2 * stepMs);
  expect(host.told).toEqual([]);
  await swarm.advance(10 * stepMs);
  expect(host.told).toEqual(['net']);
  expect(swarm.repairs).toEqual(['names']);
  expect(host.records?.map(({ endpointId }) => endpointId)).toEqual(['a', 'b']);
  host.serves([{ names: swarm.right() }]);
  await swarm.advance(5 * driftGraceMs);
  expect(host.told).toEqual(['net']);
  host.serves([{ names: 'stale' }]);
  await swarm.advance(driftGraceMs - 2 * stepMs);
  expect(host.told).toEqual(['net']);
});

/** A host that has been told once since it began to serve something else. */
async function disagreeing() {
  // The host sends no heartbeats.
  swarm.addCluster(86_400);
  swarm.addTask('a', 11, 'n1');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  await swarm.advance(repairEveryMs);
  host.forget();
  host.serves([{ names: 'stale' }]);
  await swarm.advance(2 * driftGraceMs);
  expect(host.told).toEqual(['net']);
  return { dispatcher, host };
}

test('a host that cannot agree is told ever more rarely', async () => {
  const { dispatcher, host } = await disagreeing();
  await swarm.advance(12 * repairEveryMsMax);
  // After 4, 8, … 256 s, and then after the longest pause.
  expect(host.told.length).toBeGreaterThan(15);
  expect(host.told.length).toBeLessThan(21);
  expect(dispatcher.networks.verify('net')[0]?.networks[0]?.repairs).toBe(host.told.length);
});

const news: Record<string, (host: FakeHost, dispatcher: Dispatcher) => unknown> = {
  'the host serves something else than before': (host) => host.serves([{ names: 'other' }]),
  'the log implies something else': () => swarm.addTask('c', 13, 'n2'),
  'the host agreed in between': async (host) => {
    host.serves([{ names: swarm.right() }]);
    await swarm.advance(repairEveryMs);
    host.serves([{ names: 'stale' }]);
  },
  'its session is a new one': async (host, dispatcher) => {
    await host.register(dispatcher, 'another session');
    host.serves([{ names: 'stale' }]);
  },
};

test.each(Object.entries(news))('repairs are quick again when %s', async (_, happens) => {
  const { dispatcher, host } = await disagreeing();
  await swarm.advance(10 * 60_000);
  host.forget();
  await happens(host, dispatcher);
  await swarm.advance(driftGraceMs + 10 * stepMs);
  expect(host.told).toEqual(['net']);
});

test('a host that has yet to read what was sent is told nothing more', async () => {
  const { host } = await disagreeing();
  host.slow = true;
  await swarm.advance(2 * driftGraceMs);
  const before = host.told;
  await swarm.advance(60_000);
  host.serves([]);
  host.serves([{ names: 'other' }]);
  await swarm.advance(2 * driftGraceMs);
  expect(host.told).toEqual(before);
  host.drain();
  await swarm.advance(2 * driftGraceMs);
  expect(host.told).toEqual([...before, 'net']);
});

test('what is under way is no drift: counted is from when the log last changed', async () => {
  swarm.addTask('a', 11, 'n1');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  host.forget();
  await swarm.advance(repairEveryMs);
  host.serves([{ names: 'behind' }]);
  for (const task of [12, 13, 14, 15]) {
    await swarm.advance(driftGraceMs - 5 * stepMs);
    swarm.addTask(`t${task}`, task, 'n2');
  }
  expect(host.told).toEqual([]);
  await swarm.advance(driftGraceMs + 10 * stepMs);
  expect(host.told).toEqual(['net']);
});

test('a network that changes all the time is put right all the same', async () => {
  swarm.addTask('a', 11, 'n1');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  host.forget();
  await swarm.advance(repairEveryMs);
  host.serves([{ balancer: 'stale' }]);
  for (let turn = 0; turn < 12; turn += 1) {
    await swarm.advance(1_000);
    swarm.addTask(`t${turn}`, 20 + turn, 'n2');
  }
  expect(host.told.length).toBeGreaterThanOrEqual(1);
  expect(swarm.repairs).toContain('balancer');
});

test('a host that comes back is only told what it does not know', async () => {
  swarm.addTask('a', 11, 'n1');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher, 'another session');
  expect(host.networks).toHaveLength(1);
  expect(host.told).toEqual([]);
  host.serves([]);
  expect(host.told).toEqual(['net']);
  // That is under way.
  host.serves([]);
  expect(host.told).toEqual(['net']);
  expect(swarm.repairs).toEqual([]);
});

test('says for people what hosts serve beside what the log implies', async () => {
  swarm.addTask('a', 11, 'n1');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  host.serves([{ names: swarm.right(), balancer: 'stale', problems: ['no kernel'] }]);
  await swarm.advance(500);
  const [drift] = dispatcher.networks.verify('net');
  expect(drift).toMatchObject({
    nodeId: 'n1',
    networks: [{ served: { balancer: 'stale', problems: ['no kernel'] }, repairs: 0 }],
  });
  expect(drift?.networks[0]?.differsMs).toBeGreaterThanOrEqual(500);
  expect(drift?.networks[0]?.implied?.names).toBe(swarm.right());
  expect(dispatcher.networks.verify('other')[0]?.networks).toEqual([]);
});

test('a service with another virtual address is to be served by that', async () => {
  swarm.addTask('a', 11, 'n1');
  const dispatcher = swarm.start();
  await new FakeHost('n1').register(dispatcher);
  const implied = () => dispatcher.networks.verify('net')[0]?.networks[0]?.implied;
  const before = implied();
  swarm.giveVirtualIp('10.0.1.8/24');
  expect(implied()?.names).toBe(swarm.right());
  expect(implied()?.balancer).not.toBe(before?.balancer);
});

test('nobody is to be served on a host that is down', async () => {
  swarm.addTask('a', 11, 'n1');
  swarm.addTask('b', 12, 'n2');
  const dispatcher = swarm.start();
  const host = new FakeHost('n1');
  await host.register(dispatcher);
  const down = swarm.log.view.nodes.get('n2');
  if (down === undefined) throw new Error('no node');
  const status = { ...down.status, state: 'down' as const };
  swarm.log.write([{ op: 'update', table: 'node', object: { ...down, status } }]);
  host.forget();
  await swarm.advance(repairEveryMs);
  host.serves([{ names: 'with b' }]);
  await swarm.advance(driftGraceMs + 10 * stepMs);
  expect(host.records?.map(({ endpointId, serving }) => `${endpointId} ${serving}`)).toEqual([
    'a true',
    'b false',
  ]);
});

test('nodes try to reach each other, and who does not answer is named', async () => {
  const dispatcher = swarm.start();
  const [one, two] = [new FakeHost('n1'), new FakeHost('n2')];
  await one.register(dispatcher);
  await two.register(dispatcher);
  const answer = dispatcher.networks.check(1_000);
  const [asked] = one.pathChecks;
  expect(asked?.targets).toEqual([{ nodeId: 'n2', addr: '192.0.2.2' }]);
  const results = [{ nodeId: 'n2', path: 'gossip 7946/tcp', ok: false, cause: 'no route' }];
  one.found({ id: asked?.id ?? '', results });
  two.found({ id: 'another', results: [] });
  await swarm.advance(9_500);
  expect(await answer).toEqual([
    { nodeId: 'n1', results, silent: false },
    { nodeId: 'n2', results: [], silent: true },
  ]);
});

test('a node that is down is to be reached too, where its user says', async () => {
  const dispatcher = swarm.start();
  const one = new FakeHost('n1');
  await one.register(dispatcher);
  const down = swarm.log.view.nodes.get('n2');
  if (down === undefined) throw new Error('no node');
  const status = { ...down.status, state: 'down' as const, addr: '198.51.100.2' };
  const description = {
    Hostname: 'two',
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: {},
    Engine: { EngineVersion: '20', Plugins: [] },
    AdvertiseAddr: '192.0.2.2',
  };
  swarm.log.write([{ op: 'update', table: 'node', object: { ...down, status, description } }]);
  const answer = dispatcher.networks.check(1_000);
  const [asked] = one.pathChecks;
  expect(asked?.targets).toEqual([{ nodeId: 'n2', addr: '192.0.2.2' }]);
  one.found({ id: asked?.id ?? '', results: [] });
  expect(await answer).toEqual([{ nodeId: 'n1', results: [], silent: false }]);
});

test('hosts of an encrypted network hear of each other’s keys, and others do not', async () => {
  swarm.addNetwork('secret', { DriverOptions: { encrypted: '' } });
  const dispatcher = swarm.start();
  const [one, two] = [new FakeHost('n1'), new FakeHost('n2')];
  await one.register(dispatcher);
  await two.register(dispatcher);
  const place = { meta, networkId: 'secret', kind: 'node' } as const;
  const attach = (nodeId: string, address: string) => {
    const ids = { id: nodeAttachmentId('secret', nodeId), nodeId };
    const object = { ...place, ...ids, addresses: [address] };
    swarm.log.write([{ op: 'create', table: 'attachment', object }]);
  };
  const container = {
    meta,
    networkId: 'secret',
    kind: 'container',
    id: 'c',
    nodeId: 'n1',
  } as const;
  swarm.log.write([
    { op: 'create', table: 'attachment', object: { ...container, addresses: ['10.0.2.9/24'] } },
  ]);
  attach('n1', '10.0.2.3/24');
  const keys = () =>
    one.networks
      ?.find(({ id }) => id === 'secret')
      ?.encryptedHosts?.map(({ nodeId, publicKey }) => [nodeId, publicKey]);
  expect(keys()).toEqual([]);
  const describeTwo = (letter: string) => {
    const node = swarm.log.view.nodes.get('n2');
    if (node?.description === undefined) throw new Error('n2 is not described');
    const Encryption = { PublicKey: `${letter.repeat(43)}=`, Port: 51_820 };
    const object = { ...node, description: { ...node.description, Encryption } };
    swarm.log.write([{ op: 'update', table: 'node', object }]);
  };
  describeTwo('A');
  expect(keys()).toEqual([]);
  attach('n2', '10.0.2.4/24');
  expect(keys()).toEqual([['n2', `${'A'.repeat(43)}=`]]);
  describeTwo('B');
  expect(keys()).toEqual([['n2', `${'B'.repeat(43)}=`]]);
});
