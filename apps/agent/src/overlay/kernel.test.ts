// The driver's kernel side against real namespaces. The host is a namespace of its own.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeNetwork } from '@shoal/overlay';
import { silentLogger, systemClock } from '@shoal/runtime';
import type { EndpointRecord } from '@shoal/state';
import { Registry as Metrics } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BuiltNetworks } from './built-networks.ts';
import { Commands } from './commands.ts';
import { overlayMetrics } from './metrics.ts';
import { Registry } from './registry.ts';
import { canMakeNamespaces, ip, ownTools, ScratchHost } from './testing/scratch-host.ts';

const vni = 0x900000 + (process.pid % 0x10000);
const namespace = `shoal-${vni}`;
const device = `shx${vni}`;
const own = { nodeId: 'node1', vtep: '192.0.2.1' };
const network: NodeNetwork = {
  id: 'network1',
  name: 'demo',
  subnets: [
    { subnet: '10.77.1.0/24', gateway: '10.77.1.1', vni },
    { subnet: 'fd77:1::/64', gateway: 'fd77:1::1', vni },
  ],
  internal: false,
  attachable: false,
  ingress: false,
  encrypted: false,
  mtu: 1_450,
  dataPathPort: 14_789,
  balancerAddresses: ['10.77.1.2/24', 'fd77:1::2/64'],
  options: {},
  labels: {},
};

function record(endpointId: string, vtep: string, ...addresses: string[]): EndpointRecord {
  return {
    networkId: network.id,
    endpointId,
    kind: 'task',
    nodeId: `node of ${vtep}`,
    vtep,
    addresses,
    name: endpointId,
    containerAliases: [],
    slot: 0,
    serving: false,
  };
}

interface Fdb {
  readonly mac: string;
  readonly dst?: string;
}

function forwarding(): Record<string, string> {
  const text = execFileSync('bridge', ['-n', namespace, '-j', 'fdb', 'show', 'dev', device]);
  const entries = (JSON.parse(text.toString()) as Fdb[]).filter(({ dst }) => dst !== undefined);
  return Object.fromEntries(entries.map(({ mac, dst }) => [mac, dst ?? '']));
}

function neighbours(): Record<string, string> {
  const text = ip('-n', namespace, '-j', 'neigh', 'show', 'dev', device, 'nud', 'permanent');
  const entries = JSON.parse(text) as { dst: string; lladdr: string }[];
  return Object.fromEntries(entries.map(({ dst, lladdr }) => [dst, lladdr]));
}

describe.runIf(canMakeNamespaces())('a network in the kernel', () => {
  let host: ScratchHost;
  let folder: string;
  let registry: Registry;
  let metrics: Metrics;
  let built: BuiltNetworks;
  let commands: Commands;
  let changes: string[];
  /** A network that the swarm has no more. */
  let gone: string | undefined;

  beforeAll(async () => {
    host = await ScratchHost.make(`shoalt-${process.pid}`, own.vtep);
  });
  afterAll(() => host.remove());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-overlay-'));
    registry = await Registry.open(join(folder, 'overlay.json'), systemClock, silentLogger);
    registry.own = own;
    registry.putNetwork(network);
    changes = [];
    gone = undefined;
    built = driver();
  });
  afterEach(async () => {
    await built.remove(network);
    await commands.close();
    await registry.durable();
    await rm(folder, { recursive: true });
  });

  function driver(): BuiltNetworks {
    metrics = new Metrics();
    const counted = overlayMetrics(metrics);
    const { command: observe, stayed } = counted;
    commands = new Commands({ clock: systemClock, observe, stayed, host });
    return new BuiltNetworks({
      commands,
      registry,
      owner: `shoal-test-${process.pid}`,
      nameservers: ['192.0.2.53'],
      encryption: { kind: 'unable', reason: 'it is encrypted, and this host cannot' },
      clock: systemClock,
      logger: silentLogger,
      metrics: counted,
      changed: (id) => changes.push(id),
      isWanted: (id) => id !== gone,
    });
  }

  async function repairs(): Promise<Record<string, number>> {
    const values = (await metrics.getSingleMetric('shoal_agent_overlay_repairs_total')?.get())
      ?.values;
    return Object.fromEntries((values ?? []).map(({ labels, value }) => [labels['kind'], value]));
  }

  test('is a bridge with the balancer’s and the gateways’ addresses and a tunnel device', async () => {
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
    expect(changes).toEqual([network.id]);
    const links = JSON.parse(ip('-n', namespace, '-j', '-d', 'addr', 'show'));
    const bridge = links.find((link: { ifname: string }) => link.ifname === 'br0');
    expect(bridge).toMatchObject({ address: '02:42:0a:4d:01:02', mtu: 1_400 });
    expect(bridge.flags).toContain('UP');
    const addresses = bridge.addr_info.map(
      (each: { local: string; prefixlen: number }) => `${each.local}/${each.prefixlen}`,
    );
    expect(addresses.sort()).toEqual(
      ['10.77.1.1/32', '10.77.1.2/24', 'fd77:1::1/128', 'fd77:1::2/64'].sort(),
    );
    const tunnel = links.find((link: { ifname: string }) => link.ifname === device);
    expect(tunnel).toMatchObject({ master: 'br0', mtu: 1_400 });
    expect(tunnel.linkinfo.info_data).toMatchObject({
      ...{ id: vni, local: own.vtep, port: 14_789, learning: false, proxy: true },
    });
    const sysctl = (key: string): string =>
      execFileSync('nsenter', [`--net=/run/netns/${namespace}`, 'cat', `/proc/sys/net/${key}`])
        .toString()
        .trim();
    expect(sysctl('ipv4/ip_forward')).toBe('1');
    expect(sysctl('ipv6/conf/all/forwarding')).toBe('1');
    if (existsSync('/proc/sys/net/bridge')) {
      expect(sysctl('bridge/bridge-nf-call-iptables')).toBe('0');
    }
    expect(built.hostNetworks()).toMatchObject([
      { id: network.id, namespace: `/run/netns/${namespace}`, mtu: 1_400, local: [] },
    ]);
    expect(built.hostNetworks()[0]?.upstreams).toEqual(['192.0.2.53:53']);
    changes.length = 0;
    built.nameservers = ['127.0.0.1'];
    expect(built.hostNetworks()[0]?.upstreams).toEqual(['127.0.0.1:53']);
    expect(changes).toEqual([network.id]);
  });

  test('is not built when it is encrypted, where nothing encrypts', async () => {
    const secret = { ...network, encrypted: true, encryptedHosts: [] };
    expect(built.canBuild(secret)).toBe(false);
    registry.putNetwork(secret);
    const message = 'it is encrypted, and this host cannot';
    expect(await built.build(network.id)).toEqual({ kind: 'failed', message });
    expect(existsSync(`/run/netns/${namespace}`)).toBe(false);
    expect(built.hostNetworks()).toEqual([]);
  });

  test('what is right is left alone by the next look', async () => {
    await built.build(network.id);
    built.setPeers(network.id, [record('a', '192.0.2.9', '10.77.1.9')]);
    await built.idle();
    await built.audit(network.id, true);
    expect(await repairs()).toEqual({});
  });

  test.each([
    ['the namespace', ['netns', 'del', namespace], 'namespace'],
    ['the bridge', ['-n', namespace, 'link', 'del', 'br0'], 'bridge'],
    ['the tunnel', ['-n', namespace, 'link', 'del', device], 'tunnel'],
    ['an address', ['-n', namespace, 'addr', 'del', '10.77.1.1/32', 'dev', 'br0'], 'address'],
    ['a link that is down', ['-n', namespace, 'link', 'set', device, 'down'], 'tunnel'],
  ])('%s comes back, with all peers', async (_what, words, kind) => {
    await built.build(network.id);
    built.setPeers(network.id, [record('a', '192.0.2.9', '10.77.1.9')]);
    await built.idle();
    ip(...words);
    expect(await built.audit(network.id, true)).toEqual({ kind: 'ok' });
    expect(await repairs()).toMatchObject({ [kind]: 1 });
    expect(neighbours()).toEqual({ '10.77.1.9': '02:42:0a:4d:01:09' });
    expect(forwarding()).toEqual({ '02:42:0a:4d:01:09': '192.0.2.9' });
    await built.audit(network.id, true);
    expect(await repairs()).toMatchObject({ [kind]: 1 });
  });

  test('peers of both families, moved, and gone', async () => {
    await built.build(network.id);
    const first = [
      record('a', '192.0.2.9', '10.77.1.9', 'fd77:1::9'),
      record('b', '192.0.2.9', '10.77.1.10'),
    ];
    built.setPeers(network.id, first);
    await built.idle();
    expect(neighbours()).toEqual({
      '10.77.1.9': '02:42:0a:4d:01:09',
      'fd77:1::9': '02:42:0a:4d:01:09',
      '10.77.1.10': '02:42:0a:4d:01:0a',
    });
    expect(built.programmedPeers(network.id)).toEqual(first);
    // The address is given to a task of another host before the first one is known to be gone.
    const next = record('c', '192.0.2.8', '10.77.1.9');
    built.setPeers(network.id, [...first, next]);
    await built.idle();
    expect(forwarding()['02:42:0a:4d:01:09']).toBe('192.0.2.8');
    built.setPeers(network.id, first);
    await built.idle();
    expect(forwarding()['02:42:0a:4d:01:09']).toBe('192.0.2.9');
    built.setPeers(network.id, []);
    await built.idle();
    expect([neighbours(), forwarding()]).toEqual([{}, {}]);
  });

  test('a peer that somebody else took away comes back, and one too many goes', async () => {
    await built.build(network.id);
    built.setPeers(network.id, [record('a', '192.0.2.9', '10.77.1.9')]);
    await built.idle();
    ip('-n', namespace, 'neigh', 'del', '10.77.1.9', 'dev', device);
    const extra = ['10.77.1.99', 'lladdr', '02:42:0a:4d:01:63', 'dev', device, 'nud', 'permanent'];
    ip('-n', namespace, 'neigh', 'replace', ...extra);
    await built.audit(network.id, true);
    expect(neighbours()).toEqual({ '10.77.1.9': '02:42:0a:4d:01:09' });
    expect(await repairs()).toEqual({ peer: 1 });
  });

  test('an agent that starts anew keeps the peers of the last one until it knows better', async () => {
    await built.build(network.id);
    built.setPeers(network.id, [record('a', '192.0.2.9', '10.77.1.9')]);
    await built.idle();
    built = driver();
    await built.audit(network.id, true);
    expect(neighbours()).toEqual({ '10.77.1.9': '02:42:0a:4d:01:09' });
    built.setPeers(network.id, [record('b', '192.0.2.9', '10.77.1.10')]);
    await built.idle();
    expect(neighbours()).toEqual({ '10.77.1.10': '02:42:0a:4d:01:0a' });
  });

  test('a container’s interface comes and goes with its endpoint', async () => {
    const id = 'e'.repeat(64);
    const mac = '02:42:0a:4d:01:05';
    const endpoint = { id, networkId: network.id, addresses: ['10.77.1.5/24'], mac };
    registry.putEndpoint({ ...endpoint, sandbox: '/run/docker/netns/some' });
    // The network is built on the way.
    expect(await built.plug(id)).toEqual({ kind: 'ok', device: 'sc-eeeeeeeeeee' });
    expect(host.run('ip', 'link', 'show', 'sc-eeeeeeeeeee')).toContain(mac);
    expect(host.run('ip', 'link', 'show', 'sc-eeeeeeeeeee')).toContain('mtu 1400');
    expect(ip('-n', namespace, 'link', 'show', 'sh-eeeeeeeeeee')).toContain('master br0');
    expect(built.hostNetworks()[0]?.local).toEqual([
      {
        endpointId: id,
        sandbox: '/run/docker/netns/some',
        mac,
        addresses: ['10.77.1.5'],
        networks: [network.id],
      },
    ]);
    await built.idle();
    const pinned = execFileSync('bridge', [
      '-n',
      namespace,
      'fdb',
      'show',
      'dev',
      'sh-eeeeeeeeeee',
    ]);
    expect(pinned.toString()).toMatch(new RegExp(`${mac} .*sticky.*static`));
    // Asked again, as after a lost answer.
    expect(await built.plug(id)).toMatchObject({ kind: 'ok' });
    registry.deleteEndpoint(id);
    built.unplug(network.id, id);
    await built.idle();
    expect(host.run('ip', '-o', 'link')).not.toContain('sc-');
  });

  test('containers share the tools, also after these were killed', async () => {
    await built.build(network.id);
    const plug = async (first: string): Promise<void> => {
      const id = first.repeat(64);
      const addresses = [`10.77.1.2${first}/24`];
      const mac = `02:42:0a:4d:01:1${first}`;
      registry.putEndpoint({ id, networkId: network.id, addresses, mac, sandbox: `/run/${id}` });
      expect(await built.plug(id)).toMatchObject({ kind: 'ok' });
      await built.idle();
      expect(ip('-n', namespace, 'link', 'show', `sh-${id.slice(0, 11)}`)).toContain('master br0');
    };
    built.expect(network.id);
    const begun = ownTools();
    for (const first of ['1', '2', '3']) await plug(first);
    expect(ownTools()).toEqual(begun);
    for (const pid of begun) process.kill(pid, 'SIGKILL');
    await plug('4');
    for (const { id } of registry.endpoints) {
      registry.deleteEndpoint(id);
      built.unplug(network.id, id);
    }
    await built.idle();
    expect(ip('-n', namespace, '-o', 'link')).not.toContain('sh-');
  });

  test('a repair takes away interfaces that belong to nobody', async () => {
    const id = 'f'.repeat(64);
    const addresses = ['10.77.1.5/24'];
    const sandbox = '/run/docker/netns/some';
    registry.putEndpoint({
      id,
      networkId: network.id,
      addresses,
      mac: '02:42:0a:4d:01:05',
      sandbox,
    });
    await built.plug(id);
    registry.deleteEndpoint(id);
    await built.audit(network.id, false);
    expect(ip('-n', namespace, '-o', 'link')).toContain('sh-');
    await built.audit(network.id, true);
    expect(ip('-n', namespace, '-o', 'link')).not.toContain('sh-');
    expect(await repairs()).toEqual({ port: 1 });
  });

  test('a running container gets its interface back when the namespace was taken away', async () => {
    const container = await ScratchHost.make(`shoalc-${process.pid}`, '192.0.2.99');
    const id = 'd'.repeat(64);
    const addresses = ['10.77.1.5/24', 'fd77:1::5/64'];
    const mac = '02:42:0a:4d:01:05';
    registry.putEndpoint({ id, networkId: network.id, addresses, mac, sandbox: container.path });
    await built.plug(id);
    // What the engine does with it.
    host.run('ip', 'link', 'set', 'sc-ddddddddddd', 'netns', container.name);
    container.run('ip', 'link', 'set', 'sc-ddddddddddd', 'name', 'eth0');
    await built.idle();
    ip('netns', 'del', namespace);
    expect(await built.audit(network.id, true)).toEqual({ kind: 'ok' });
    const shown = container.run('ip', 'addr', 'show', 'eth0');
    for (const part of [mac, 'mtu 1400', ...addresses]) expect(shown).toContain(part);
    ip('netns', 'exec', namespace, 'busybox', 'ping', '-c', '1', '-w', '2', '10.77.1.5');
    registry.deleteEndpoint(id);
    await container.remove();
  });

  test('a tunnel device that a killed agent left on the host does not stand in the way', async () => {
    const words = `link add ${device} type vxlan id ${vni} dstport 14789 local ${own.vtep}`;
    host.run('ip', ...words.split(' '));
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
  });

  test('a VXLAN id that somebody else has is a failure with its reason', async () => {
    const words = `link add foreign type vxlan id ${vni} dstport 14789 local ${own.vtep}`;
    host.run('ip', ...words.split(' '));
    expect(await built.build(network.id)).toEqual({
      kind: 'failed',
      message: `VXLAN id ${vni} is taken by another device of this host`,
    });
    host.run('ip', 'link', 'del', 'foreign');
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
  });

  test('other subnet, balancer address or port of the tunnels', async () => {
    await built.build(network.id);
    registry.putNetwork({
      ...network,
      balancerAddresses: ['10.77.1.3/24', 'fd77:1::2/64'],
      dataPathPort: 14_790,
    });
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
    const shown = ip('-n', namespace, 'addr', 'show', 'dev', 'br0');
    expect(shown).toContain('02:42:0a:4d:01:03');
    expect(shown).toContain('10.77.1.3/24');
    expect(shown).not.toContain('10.77.1.2/24');
    expect(ip('-n', namespace, '-d', 'link', 'show', device)).toContain('dstport 14790');
  });

  test('addresses that the balancer has put on the bridge stay', async () => {
    await built.build(network.id);
    ip('-n', namespace, 'addr', 'add', '10.77.1.200/32', 'dev', 'br0');
    await built.audit(network.id, true);
    expect(ip('-n', namespace, 'addr', 'show', 'dev', 'br0')).toContain('10.77.1.200/32');
  });

  test('strays of the same agent go at the second look, those of others stay', async () => {
    await built.build(network.id);
    registry.deleteNetwork(network.id);
    const foreign = `shoal-${vni + 1}`;
    ip('netns', 'add', foreign);
    await built.removeStrays();
    expect(existsSync(`/run/netns/${namespace}`)).toBe(true);
    await built.removeStrays();
    expect(existsSync(`/run/netns/${namespace}`)).toBe(false);
    expect(existsSync(`/run/netns/${foreign}`)).toBe(true);
    ip('netns', 'del', foreign);
  });

  test('nothing is left of a network that was removed', async () => {
    await built.build(network.id);
    expect(await built.remove(network)).toEqual({ kind: 'ok' });
    expect(existsSync(`/run/netns/${namespace}`)).toBe(false);
    expect(built.hostNetworks()).toEqual([]);
    // And again, as after a crash in between.
    expect(await built.remove(network)).toEqual({ kind: 'ok' });
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
  });

  test('a network that is gone gives way to the next with its number, and takes nothing of it along', async () => {
    const next = { ...network, id: 'next' };
    await built.build(network.id);
    gone = network.id;
    registry.putNetwork(next);
    expect(await built.build(next.id)).toEqual({ kind: 'ok' });
    expect(built.isBuilt(network.id)).toBe(false);
    expect(await built.audit(network.id, true)).toMatchObject({ kind: 'failed' });
    expect(await built.remove(network)).toEqual({ kind: 'ok' });
    expect(existsSync(`/run/netns/${namespace}`)).toBe(true);
    expect(await built.audit(next.id, true)).toEqual({ kind: 'ok' });
    expect(await repairs()).toEqual({});
    registry.deleteNetwork(network.id);
    expect(await built.remove(next)).toEqual({ kind: 'ok' });
    expect(existsSync(`/run/netns/${namespace}`)).toBe(false);
  });

  test('a host whose address changes keeps its peers', async () => {
    await built.build(network.id);
    built.setPeers(network.id, [record('a', '192.0.2.9', '10.77.1.9')]);
    await built.idle();
    host.run('ip', 'addr', 'add', '192.0.2.2/32', 'dev', 'lo');
    registry.own = { nodeId: 'node1', vtep: '192.0.2.2' };
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
    expect(ip('-n', namespace, '-d', 'link', 'show', device)).toContain('local 192.0.2.2');
    expect(forwarding()).toEqual({ '02:42:0a:4d:01:09': '192.0.2.9' });
  });

  test('over an underlay of IPv6', async () => {
    host.run('ip', 'addr', 'add', '2001:db8::1/128', 'dev', 'lo', 'nodad');
    registry.own = { nodeId: 'node1', vtep: '2001:db8::1' };
    const { mtu: _mtu, ...computed } = network;
    registry.putNetwork(computed);
    expect(await built.build(network.id)).toEqual({ kind: 'ok' });
    expect(built.hostNetworks()[0]?.mtu).toBe(1_430);
    built.setPeers(network.id, [record('a', '2001:db8::9', '10.77.1.9')]);
    await built.idle();
    expect(forwarding()).toEqual({ '02:42:0a:4d:01:09': '2001:db8::9' });
    await built.audit(network.id, true);
    expect(await repairs()).toEqual({});
  });

  test('without balancer address it is not built', async () => {
    registry.putNetwork({ ...network, balancerAddresses: [] });
    expect(await built.build(network.id)).toMatchObject({ kind: 'failed' });
    expect(built.hostNetworks()).toEqual([]);
  });
});
