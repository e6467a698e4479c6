import type { EndpointRecord, RecordService } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  assignment,
  NetworkedHost,
  network,
  nodeId,
  record,
  remote,
  stepMs,
  vtep,
} from '../testing/networked-host.ts';
import { sampleNode } from '../testing/sample-task.ts';
import type { HostReachability } from './ports.ts';
import { acknowledgeMsMax } from './serving.ts';

let host: NetworkedHost;

beforeEach(async () => {
  host = await NetworkedHost.start();
});
afterEach(() => host.end());

describe('a host in a network', () => {
  test('knows where others are and how to talk with them', () => {
    host.inNetwork([remote('a')]);
    expect(host.overlay.own).toEqual({ nodeId, vtep });
    expect(host.gossip.ring).toEqual([{ number: 7, key: Buffer.alloc(32, 1) }]);
    expect(host.gossip.seeds).toEqual([
      { nodeId: 'm1', addr: '192.0.2.9' },
      { nodeId: 'm2', addr: 'fd00::9' },
    ]);
    expect([...host.gossip.joined]).toEqual(['n']);
    expect(host.published(`lb.${nodeId}`)).toMatchObject({
      kind: 'balancer',
      addresses: ['10.0.1.2'],
    });
  });

  test('programs peers that serve and those that do not, but not its own', async () => {
    host.inNetwork([remote('a'), remote('b', { serving: false })]);
    host.networking.joined(assignment('t'), 'container', sampleNode);
    await vi.waitFor(() => {
      const ids = host.overlay.peers.get('n')?.map(({ endpointId }) => endpointId);
      expect(ids).toEqual(['a', 'b']);
    });
    host.gossip.hear('n', [remote('c')], ['a']);
    await vi.waitFor(() => {
      const ids = host.overlay.peers.get('n')?.map(({ endpointId }) => endpointId);
      expect(ids).toEqual(['b', 'c']);
    });
  });

  test('programs them once: that they are programmed is no reason to do it again', async () => {
    host.inNetwork([remote('a')]);
    await vi.waitFor(() => expect(host.overlay.peers.get('n')).toHaveLength(1));
    const { programmings } = host.overlay;
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    expect(host.overlay.programmings).toBe(programmings);
  });

  test('serves those on a host without an agent, and not those on one from which nothing comes back', async () => {
    host.inNetwork([remote('a'), remote('b', { nodeId: 'h3' })]);
    const dns = host.consumer('dns');
    const standing = (nodeId: string, standing: HostReachability['standing']) => {
      return { nodeId, addr: `192.0.2.${nodeId.slice(1)}:7946`, standing };
    };
    host.gossip.judge([standing('h2', 'dead'), standing('h3', 'dead')]);
    host.gossip.hear('n', [], ['a', 'b']);
    await host.advance(3_000);
    const serving = () => {
      const records = dns.updates.flatMap(({ changes }) =>
        changes.flatMap((change) => JSON.parse(change.toString()).records as EndpointRecord[]),
      );
      return Object.fromEntries(records.map((each) => [each.endpointId, each.serving]));
    };
    expect(serving()).toMatchObject({ a: true, b: false });
    // Reached they can be all the same.
    expect(host.overlay.peers.get('n')?.map(({ endpointId }) => endpointId)).toEqual(['a', 'b']);
    expect(host.networking.digests.now().digests[0]?.problems).toEqual([
      'node h3 does not answer: its tasks are left out',
    ]);
    host.networking.told('n', [remote('a'), remote('b', { nodeId: 'h3' })]);
    await host.advance(1_000);
    expect(serving()).toMatchObject({ b: false });
    host.gossip.judge([standing('h2', 'alive'), standing('h3', 'alive')]);
    await host.advance(1_000);
    expect(serving()).toMatchObject({ a: true, b: true });
  });

  test('tells all hosts of a task whose replies to clients cannot be led back', async () => {
    host.inNetwork();
    const service: RecordService = {
      ...{ id: 's', name: 'web', aliases: [], mode: 'vip', virtualIps: [] },
      ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8_080 }],
    };
    const [network] = assignment('t').networks ?? [];
    if (network === undefined) throw new Error('no network');
    const networks = [{ ...network, record: record('t', { service }) }];
    host.networking.joined(assignment('t', { networks }), 'container', sampleNode);
    const balancer = host.consumer('ingress-lb');
    await vi.waitFor(() => expect(balancer.updates).not.toHaveLength(0));
    const say = (unsteered: string[]) =>
      balancer.end.received({
        consumer: 'ingress-lb',
        version: balancer.updates.at(-1)?.version ?? 0,
        networks: [{ networkId: 'n', digest: 'd', problems: ['t sees the balancer'], unsteered }],
      });
    const source = () => host.published('t')?.service?.sourceAddress;
    say(['t']);
    await vi.waitFor(() => expect(source()).toBe('masquerade'));
    say([]);
    await vi.waitFor(() => expect(source()).toBeUndefined());
  });

  test('tells of every network that changed, whichever the driver names', () => {
    host.inNetwork();
    const dns = host.consumer('dns');
    host.networking.wanted([network('n'), network('m')]);
    host.overlay.build('m');
    // A container joined both; by the time the first is told both have it.
    const local = { endpointId: 't', sandbox: '/s', mac: '', addresses: [], networks: ['n', 'm'] };
    host.overlay.join('n', local);
    host.overlay.join('m', local);
    host.overlay.tell('m');
    host.overlay.tell('n');
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
    host.inNetwork();
    const addresses = ['10.0.1.50/24'];
    host.networking.containers.held({ networkId: 'n', endpointId: 'hand', addresses });
    const places = () => [`lb.${nodeId}`, 'hand'].map((id) => host.published(id)?.vtep);
    expect(places()).toEqual([vtep, vtep]);
    host.toldSwarm('192.0.2.77');
    expect(places()).toEqual(['192.0.2.77', '192.0.2.77']);
  });

  test('that it no longer has to have is left', () => {
    host.inNetwork([remote('a')]);
    host.networking.wanted([]);
    expect(host.gossip.joined.size).toBe(0);
    expect(host.networking.digests.now().digests).toEqual([]);
    host.gossip.hear('n', [remote('b')], []);
    expect(host.networking.digests.now().digests).toEqual([]);
  });

  test('waits with its address: a new node has none in the log yet', () => {
    host.toldSwarm('');
    host.networking.wanted([network('n')]);
    host.networking.told('n', [remote('a')]);
    expect(host.overlay.own).toBeUndefined();
    host.toldSwarm();
    expect(host.overlay.own).toEqual({ nodeId, vtep });
    expect(host.published(`lb.${nodeId}`)).toBeDefined();
    host.overlay.build('n');
    expect(host.networking.digests.now().digests).toHaveLength(1);
  });
});

describe('a task', () => {
  test('waits for its network and says what for', async () => {
    const unknown = await host.finished(host.networking.prepare(assignment('t')));
    expect(unknown).toEqual({
      kind: 'waiting',
      message: 'network n is not known on this host yet',
    });
    host.toldSwarm();
    host.networking.wanted([network('n')]);
    const unbuilt = await host.finished(host.networking.prepare(assignment('t')));
    expect(unbuilt).toEqual({ kind: 'waiting', message: 'network name-of-n: no tunnel device' });
    host.overlay.build('n');
    expect(await host.finished(host.networking.prepare(assignment('t')))).toEqual({ kind: 'ok' });
  });

  test('is reachable when it joins, served when it is healthy, and told to all hosts then', async () => {
    host.inNetwork();
    host.networking.joined(assignment('t'), '0123456789abcdef', sampleNode);
    const aliases = ['0123456789ab', 'web-host'];
    expect(host.published('t')).toEqual(record('t', { containerAliases: aliases }));
    expect(host.gossip.pushed).toEqual([]);
    await host.finished(host.networking.serve('t'));
    const serving = record('t', { containerAliases: aliases, serving: true });
    expect(host.gossip.pushed).toEqual([{ kind: 'record', record: serving }]);
  });

  test('is out of every balancer before it stops: other hosts and the own consumers say so', async () => {
    host.inNetwork();
    const dns = host.consumer('dns');
    dns.serve();
    host.networking.joined(assignment('t'), 'c', sampleNode);
    await Promise.resolve();
    dns.serve();
    const served = host.networking.serve('t');
    await host.advance(stepMs);
    dns.serve();
    await host.finished(served);
    const acknowledged = Promise.withResolvers<{ acknowledged: string[]; missing: string[] }>();
    host.gossip.outcome = () => acknowledged.promise;
    let drained = false;
    const drain = host.networking.drain('t').then(() => {
      drained = true;
    });
    await host.advance(100);
    expect(host.gossip.pushed.at(-1)).toMatchObject({ kind: 'record', record: { serving: false } });
    expect(drained).toBe(false);
    acknowledged.resolve({ acknowledged: ['h2'], missing: [] });
    await host.advance(100);
    expect(drained).toBe(false);
    dns.serve();
    await host.finished(drain);
    host.networking.gone('t');
    expect(host.gossip.pushed.at(-1)).toEqual({
      kind: 'withdrawal',
      networkId: 'n',
      endpointId: 't',
    });
    expect(host.published('t')).toBeUndefined();
  });

  test('answers what it was sent before it stops, but connections do not keep it for ever', async () => {
    host.inNetwork();
    for (const id of ['t', 'u']) {
      host.networking.joined(assignment(id), 'c', sampleNode);
      await host.finished(host.networking.serve(id));
    }
    host.connections = 2;
    let drained = false;
    const drain = host.networking.drain('t', 7).then(() => {
      drained = true;
    });
    await host.advance(1_000);
    expect(drained).toBe(false);
    host.connections = 0;
    await host.finished(drain);
    host.connections = 1;
    const since = host.clock.monotonic();
    await host.finished(host.networking.drain('u', 7));
    expect(host.clock.monotonic() - since).toBeLessThan(3_000);
  });

  test('does not wait for ever for a host that does not answer', async () => {
    host.inNetwork();
    host.networking.joined(assignment('t'), 'c', sampleNode);
    host.gossip.outcome = () => new Promise(() => undefined);
    const since = host.clock.monotonic();
    await host.finished(host.networking.serve('t'));
    const tookMs = host.clock.monotonic() - since;
    expect(tookMs).toBeGreaterThanOrEqual(acknowledgeMsMax);
    expect(tookMs).toBeLessThan(acknowledgeMsMax + 200);
  });

  test('that died is withdrawn at once, and its end tells nothing more', async () => {
    host.inNetwork();
    host.networking.joined(assignment('t'), 'c', sampleNode);
    await host.finished(host.networking.serve('t'));
    host.networking.gone('t');
    expect(host.gossip.pushed.at(-1)).toMatchObject({ kind: 'withdrawal', endpointId: 't' });
    const pushes = host.gossip.pushed.length;
    await host.finished(host.networking.drain('t'));
    host.networking.gone('t');
    await host.finished(host.networking.serve('t'));
    expect(host.gossip.pushed).toHaveLength(pushes);
  });

  test('has another record when its service gets another address', async () => {
    host.inNetwork();
    host.networking.joined(assignment('t'), 'c', sampleNode);
    await host.finished(host.networking.serve('t'));
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
    host.networking.assigned([assignment('t', { networks })]);
    expect(host.published('t')).toMatchObject({ serving: true, service });
  });
});

describe('what others are to acknowledge', () => {
  test('is acknowledged when the own consumers serve it, or after a bounded wait', async () => {
    host.inNetwork();
    const dns = host.consumer('dns');
    dns.serve();
    host.gossip.hear('n', [remote('a')], []);
    let applied = false;
    const first = host.gossip.applied('n').then(() => {
      applied = true;
    });
    await host.advance(200);
    expect(applied).toBe(false);
    dns.serve();
    await host.finished(first);
    host.gossip.hear('n', [], ['a']);
    await host.finished(host.gossip.applied('n'));
  });
});

describe('digests', () => {
  test('say what consumers serve and the kernel has, when that changed and every few seconds', async () => {
    host.inNetwork([remote('a')]);
    const reports: unknown[] = [];
    host.networking.digests.onReport((report) => reports.push(report));
    const dns = host.consumer('dns');
    dns.serve('abc');
    await host.advance(400);
    expect(reports.at(-1)).toMatchObject({
      digests: [{ networkId: 'n', names: 'abc', balancer: '' }],
      attachments: [],
      attachmentsKnown: true,
    });
    const before = reports.length;
    await host.advance(7_000);
    expect(reports.length - before).toBeGreaterThanOrEqual(2);
    expect(reports.length - before).toBeLessThan(5);
    dns.end.closed();
    await host.advance(400);
    expect(reports.at(-1)).toMatchObject({ digests: [{ names: '' }] });
  });

  test('of a network that nobody told of are left out, so that the dispatcher tells', () => {
    host.toldSwarm();
    host.networking.wanted([network('n')]);
    host.overlay.build('n');
    expect(host.networking.digests.now().digests).toEqual([]);
    host.networking.told('n', []);
    expect(host.networking.digests.now().digests).toHaveLength(1);
  });
});

test('tries to reach other hosts by every path, and says why it cannot', async () => {
  const balancer = (node: string, address: string) =>
    remote(`lb.${node}`, { kind: 'balancer', nodeId: node, addresses: [address], serving: false });
  host.inNetwork([balancer('h2', '10.0.1.3'), balancer('h4', '10.0.1.4')]);
  host.gossip.hosts = [
    { nodeId: 'h2', addr: '192.0.2.2:7946', standing: 'alive' },
    { nodeId: 'h3', addr: '192.0.2.3:7946', standing: 'suspect' },
  ];
  const targets = ['h2', 'h3', 'h4'].map((node) => ({
    nodeId: node,
    addr: `192.0.2.${node.slice(1)}`,
  }));
  const { id, results } = await host.networking.check({ id: 'c', targets, timeoutMs: 1_000 });
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
  host.inNetwork([remote('a')]);
  const dns = host.consumer('dns');
  await host.networking.remove();
  expect(host.overlay.removed).toBe(true);
  expect(host.gossip.joined.size).toBe(0);
  expect(dns.updates.at(-1)).toMatchObject({ complete: true, changes: [] });
  await host.begin();
  expect(host.overlay.wanted).toEqual([]);
});
