// Two hosts, each with an engine of its own, and an underlay between them: containers of both talk
// through the overlay driver, and go on while engines and agents come and go.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeNetwork } from '@shoal/overlay';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../host/command.ts';
import { eventually } from '../host/wait.ts';
import { connect, OverlayMachine } from './overlay-machine.ts';

const vni = 4_097;

function network(id: string, more: Partial<NodeNetwork>): NodeNetwork {
  return {
    ...{ id, name: id, internal: false, attachable: false, ingress: false, encrypted: false },
    ...{ subnets: [], dataPathPort: 4_789, balancerAddresses: [], options: {}, labels: {} },
    ...more,
  };
}

const demo = network('demo', {
  attachable: true,
  subnets: [
    { subnet: '10.78.1.0/24', gateway: '10.78.1.1', vni },
    { subnet: 'fd78:1::/64', gateway: 'fd78:1::1', vni },
  ],
});
const back = network('back', {
  internal: true,
  subnets: [{ subnet: '10.78.2.0/24', gateway: '10.78.2.1', vni: vni + 1 }],
});

const t1 = ['10.78.1.101', 'fd78:1::101'];
const t2 = ['10.78.1.102', 'fd78:1::102'];
const withPrefix = ([v4, v6]: readonly string[]): string[] => [`${v4}/24`, `${v6}/64`];

describe('containers of two hosts in overlay networks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-overlay-'));
  let one: OverlayMachine;
  let other: OverlayMachine;
  const container = (taskId: string): string => `web.1.${taskId}`;
  const ping = async (host: OverlayMachine, from: string, to: string, ...more: string[]) =>
    host.docker('exec', from, 'ping', '-c', '2', '-w', '4', ...more, to);
  const noLoss = expect.stringContaining(' 0% packet loss');

  beforeAll(async () => {
    [one, other] = await Promise.all([
      OverlayMachine.start(1, join(directory, '1')),
      OverlayMachine.start(2, join(directory, '2')),
    ]);
    await connect(one, other);
    await Promise.all([one.agentUp(), other.agentUp()]);
    await Promise.all([one.configure(demo, back), other.configure(demo, back)]);
  });
  afterAll(async () => {
    await Promise.all([one?.stop(), other?.stop()]);
    rmSync(directory, { recursive: true, force: true });
  });

  test('they reach each other, IPv4 and IPv6, up to the full size', async () => {
    await one.call('setPeers', 'demo', [other.record('t2', 'demo', t2)]);
    await other.call('setPeers', 'demo', [one.record('t1', 'demo', t1)]);
    expect(await one.call('run', one.task('t1', { demo: withPrefix(t1) }))).toBe('');
    expect(await other.call('run', other.task('t2', { demo: withPrefix(t2) }))).toBe('');
    expect(await one.call('programmedPeers', 'demo')).toHaveLength(1);
    expect(await ping(one, container('t1'), '10.78.1.102')).toEqual(noLoss);
    expect(await ping(other, container('t2'), '10.78.1.101')).toEqual(noLoss);
    expect(await ping(one, container('t1'), 'fd78:1::102')).toEqual(noLoss);
    const headers = 28;
    const full = String(1_450 - headers);
    expect(await ping(one, container('t1'), '10.78.1.102', '-s', full)).toEqual(noLoss);
    const shown = await one.docker('exec', container('t1'), 'ip', 'addr');
    expect(shown).toContain('02:42:0a:4e:01:65');
    expect(shown).toContain('mtu 1450');
  });

  test('the host knows where its containers are', async () => {
    const found = await one.network('demo');
    expect(found).toMatchObject({
      namespace: `/run/netns/shoal-${vni}`,
      mtu: 1_450,
      balancerAddresses: ['10.78.1.2/24', 'fd78:1::2/64'],
    });
    const [local] = found?.local ?? [];
    expect(local).toMatchObject({
      endpointId: 't1',
      mac: '02:42:0a:4e:01:65',
      addresses: t1,
      networks: ['demo'],
    });
    const seen = await one.inside('nsenter', `--net=${local?.sandbox}`, 'ip', 'addr');
    expect(seen).toContain('10.78.1.101/24');
    // The host's balancer, and the resolver's address, which every host has.
    const balancer = ['ip', 'netns', 'exec', `shoal-${vni}`, 'busybox', 'ping', '-c', '1'];
    await one.inside(...balancer, '10.78.1.101');
    expect(await ping(one, container('t1'), '10.78.1.1')).toEqual(noLoss);
  });

  test('a container asks the resolver of its first network, and goes out by the gateway bridge', async () => {
    const resolvers = async (taskId: string): Promise<unknown> => {
      const text = await one.docker('inspect', container(taskId));
      return JSON.parse(text)[0].HostConfig.Dns;
    };
    expect(await resolvers('t1')).toContain('10.78.1.1');
    const routes = await one.docker('exec', container('t1'), 'ip', 'route');
    expect(routes).toMatch(/default via 172\./);
  });

  test('a task in two networks, of which one is internal, with nameservers of its own', async () => {
    const own = { back: ['10.78.2.103/24'], demo: ['10.78.1.103/24', 'fd78:1::103/64'] };
    expect(await one.call('run', one.task('t3', own, ['192.0.2.53']))).toBe('');
    const inspected = JSON.parse(await one.docker('inspect', container('t3')))[0];
    expect(inspected.HostConfig.Dns).toEqual(['10.78.2.1', '192.0.2.53']);
    expect(Object.keys(inspected.NetworkSettings.Networks).sort()).toEqual(['back', 'demo']);
    const local = (await one.network('demo'))?.local.find(({ endpointId }) => endpointId === 't3');
    expect(local).toMatchObject({ networks: ['back', 'demo'], upstreams: ['192.0.2.53:53'] });
    const [r1, r3] = [one.record('t1', 'demo', t1), one.record('t3', 'demo', ['10.78.1.103'])];
    await other.call('setPeers', 'demo', [r1, r3]);
    await eventually('reached', () => ping(one, container('t3'), '10.78.1.102'));
  });

  test('the agent dies and comes back while they talk', async () => {
    const talk = one.docker(
      'exec',
      container('t1'),
      'ping',
      '-c',
      '30',
      '-i',
      '0.2',
      '10.78.1.102',
    );
    await one.agentDown();
    await one.agentUp();
    // What it knows of before is there again at once, without anybody telling.
    const restored = await eventually('built', () => one.network('demo'));
    expect(restored.local.map(({ endpointId }) => endpointId)).toEqual(['t1', 't3']);
    await one.configure(demo, back);
    await one.call('setPeers', 'demo', [other.record('t2', 'demo', t2)]);
    expect(await talk).toEqual(noLoss);
    await one.docker('rm', '-f', container('t3'));
    await eventually('t3 is gone', async () => (await one.network('demo'))?.local.length === 1);
  });

  test('a container is run by hand, with any address and with a wanted one', async () => {
    const byHand = ['run', '-d', '--network', 'demo', '--name'];
    await one.docker(...byHand, 'hand', 'busybox:latest', 'sleep', '1000');
    expect(await one.docker('exec', 'hand', 'ip', 'addr')).toContain('10.78.1.200/24');
    expect(await one.docker('exec', 'hand', 'ip', 'addr')).toContain('fd78:1::200/64');
    expect(await ping(one, 'hand', '10.78.1.101')).toEqual(noLoss);
    const endpoints = (await one.network('demo'))?.local.map(({ endpointId }) => endpointId);
    expect(endpoints).toContain('attachment-10.78.1.200');
    await eventually('its name is told', () => one.told.some(({ name }) => name === 'hand'));
    await one.docker('rm', '-f', 'hand');
    await eventually('its address is free', () =>
      one.told.some(({ detached }) => detached === 'attachment-10.78.1.200'),
    );
    await one.docker(...byHand, 'hand', '--ip', '10.78.1.77', 'busybox:latest', 'sleep', '1000');
    expect(await one.docker('exec', 'hand', 'ip', 'addr')).toContain('10.78.1.77/24');
    await one.docker('rm', '-f', 'hand');
    const refused = await run('docker', [
      ...[
        '--host',
        one.engineAddress,
        'run',
        '--rm',
        '--network',
        'back',
        'busybox:latest',
        'true',
      ],
    ]);
    expect(refused.stderr).toContain('network back not manually attachable');
  });

  test('the engine restarts, and a new container joins', async () => {
    await other.engineDown();
    await other.engineUp();
    await other.docker('rm', '-f', container('t2'));
    expect(await other.call('run', other.task('t4', { demo: withPrefix(t2) }))).toBe('');
    expect(await ping(other, container('t4'), '10.78.1.101')).toEqual(noLoss);
    expect(await ping(one, container('t1'), '10.78.1.102')).toEqual(noLoss);
  });

  test('an endpoint that died with the engine is forgotten; one that only the engine knows is found', async () => {
    await one.agentDown();
    await one.inside('sh', '-c', `rm -f ${join(directory, '1/agent/overlay.json')}`);
    await one.agentUp();
    await one.configure(demo, back);
    await eventually('t1 is found', async () => (await one.network('demo'))?.local.length === 1);
    await one.call('setPeers', 'demo', [other.record('t4', 'demo', t2)]);
    expect(await ping(one, container('t1'), '10.78.1.102')).toEqual(noLoss);
  });

  test('a network goes when its last container has gone', async () => {
    await other.configure(back);
    expect((await other.network('demo'))?.local).toHaveLength(1);
    expect(await ping(other, container('t4'), '10.78.1.101')).toEqual(noLoss);
    await other.docker('rm', '-f', container('t4'));
    await eventually('gone', async () => (await other.network('demo')) === undefined);
    expect(await other.docker('network', 'ls', '--format', '{{.Name}}')).not.toContain('demo');
    expect(await other.inside('ls', '/run/netns')).toBe(`shoal-${vni + 1}\n`);
  });

  test('a name that the engine has already is not taken from it', async () => {
    await other.docker('network', 'create', '--driver', 'bridge', 'demo');
    await other.configure(demo, back);
    expect(await other.call('ensure', 'demo')).toEqual({ kind: 'ok', engineNetwork: 'demo-demo' });
    await other.docker('network', 'rm', 'demo');
  });

  test('an address that comes from another host is reached at once', async () => {
    await one.call('setPeers', 'demo', []);
    expect(await one.call('run', one.task('t5', { demo: withPrefix(t2) }))).toBe('');
    // The bridge has learned on the tunnel where it was, and the first container remembers.
    const first = await one.docker(
      'exec',
      container('t1'),
      'ping',
      '-c',
      '1',
      '-w',
      '1',
      '10.78.1.102',
    );
    expect(first).toEqual(noLoss);
    await one.docker('rm', '-f', container('t5'));
  });

  test('a host that leaves keeps nothing', async () => {
    await one.docker('rm', '-f', container('t1'));
    await one.call('remove');
    expect(await one.inside('ls', '/run/netns')).toBe('');
    expect(await one.inside('ip', '-o', 'link')).not.toMatch(/shx|sc-/);
    const left = await one.docker('network', 'ls', '--format', '{{.Name}}');
    expect(left.split('\n').filter(Boolean).sort()).toEqual(['docker_gwbridge', 'host', 'none']);
  });
});
