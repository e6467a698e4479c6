// What is known here against what an engine says, the engine being a table of answers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@shoal/runtime';
import { Registry as Metrics } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineHttp } from '../executor/engine-http.ts';
import { FakeEngineApi, type FakeRoutes } from '../testing/fake-engine-api.ts';
import { EngineAudit } from './audit.ts';
import type { BuiltNetworks } from './built-networks.ts';
import { EngineNetworks } from './engine-networks.ts';
import { overlayMetrics } from './metrics.ts';
import { Plumbing } from './plumbing.ts';
import { Registry } from './registry.ts';
import { exampleNetwork, exampleOwn } from './testing/examples.ts';

const network = {
  Id: 'engine1',
  Name: 'demo',
  Driver: 'shoal',
  Labels: { 'com.shoal.network': exampleNetwork.id },
};
const endpoint = {
  Name: 'hand',
  EndpointID: 'e1',
  MacAddress: '02:42:0a:00:01:08',
  IPv4Address: '10.0.1.8/24',
  IPv6Address: '',
};

describe('what the engine has', () => {
  let folder: string;
  let registry: Registry;
  let engine: FakeEngineApi;
  let routes: FakeRoutes;
  let networks: EngineNetworks;
  let audit: EngineAudit;
  let named: unknown[];
  let containers: Record<string, object>;
  let sandbox: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-audit-'));
    registry = await Registry.open(join(folder, 'overlay.json'), systemClock, silentLogger);
    registry.own = exampleOwn;
    registry.putNetwork(exampleNetwork);
    containers = { c1: endpoint };
    sandbox = join(folder, 'cc635a14131e');
    await writeFile(sandbox, '');
    routes = {
      'GET /networks': () => [200, [network, { ...network, Id: 'other', Driver: 'elsewhere' }]],
      'GET /networks/engine1': () => [200, { Containers: containers }],
      'GET /containers/c1/json': () => [200, { NetworkSettings: { SandboxKey: sandbox } }],
      'GET /containers/json': () => [200, [{ Labels: { 'com.docker.swarm.task.id': 'task1' } }]],
    };
    engine = await FakeEngineApi.listen(folder, '1.41', routes);
    const http = new EngineHttp(
      engine.address,
      () => undefined,
      () => systemClock.monotonic(),
    );
    networks = new EngineNetworks(http, 'shoal');
    named = [];
    const attachments = () => ({
      attach: async () => ({ kind: 'failed', message: '' }) as const,
      named: (...words: string[]) => void named.push(words),
      detach: () => undefined,
    });
    const none = (): undefined => undefined;
    const built = { unplug: none, programPeers: none } as unknown as BuiltNetworks;
    const hooks = {
      changed: none,
      activated: none,
      expected: none,
      unnamed: none,
      dropped: none,
      left: none,
    };
    const plumbing = new Plumbing({ registry, built, attachments, ...hooks });
    const parts = { engine: networks, registry, built, plumbing, attachments };
    audit = new EngineAudit({
      ...parts,
      logger: silentLogger,
      metrics: overlayMetrics(new Metrics()),
    });
  });
  afterEach(async () => {
    await engine.close();
    await registry.durable();
    await rm(folder, { recursive: true });
  });

  test('and nobody here knows is taken up, with the network it is in', async () => {
    expect(await audit.run()).toEqual([{ id: 'engine1', name: 'demo', networkId: 'network1' }]);
    expect(registry.networkOf('engine1')?.name).toBe('demo');
    expect(registry.endpoint('e1')).toEqual({
      id: 'e1',
      networkId: 'network1',
      addresses: ['10.0.1.8/24'],
      mac: '02:42:0a:00:01:08',
      sandbox,
    });
  });

  test('and is known without its container keeps the nameservers that its user gave', async () => {
    const { EndpointID: id, MacAddress: mac, IPv4Address: address } = endpoint;
    const upstreams = ['192.0.2.54:53'];
    registry.putEndpoint({ id, networkId: 'network1', addresses: [address], mac, upstreams });
    await audit.run();
    expect(registry.endpoint('e1')).toMatchObject({ sandbox, upstreams });
  });

  test('no more is forgotten at the second look: it may have been about to be made', async () => {
    await audit.run();
    containers = {};
    await audit.run();
    expect(registry.endpoint('e1')).toBeDefined();
    await audit.run();
    expect(registry.endpoint('e1')).toBeUndefined();
  });

  test('no more is forgotten at once when its namespace is gone too', async () => {
    await audit.run();
    containers = {};
    await rm(sandbox);
    await audit.run();
    expect(registry.endpoint('e1')).toBeUndefined();
  });

  test('an engine that does not answer is no reason to forget anything', async () => {
    await audit.run();
    routes['GET /networks'] = () => [503, { message: 'starting' }];
    expect(await audit.run()).toBeUndefined();
    expect(await audit.run()).toBeUndefined();
    expect(registry.endpoint('e1')).toBeDefined();
  });

  test('plans of tasks go with their containers', async () => {
    for (const taskId of ['task1', 'task2']) {
      registry.planTask({ taskId, networks: [], upstreams: [] });
    }
    await audit.run();
    expect(registry.taskIds).toEqual(['task1', 'task2']);
    await audit.run();
    expect(registry.taskIds).toEqual(['task1']);
  });

  test('the name of a container that was run by hand is told', async () => {
    const addresses = ['10.0.1.8/24'];
    registry.attach({ networkId: 'network1', addresses, endpointId: 'attachment1' });
    await audit.name('network1');
    expect(named).toEqual([['attachment1', 'hand']]);
  });

  test('a network is made once, with another name where its own is taken', async () => {
    const made: unknown[] = [];
    expect(await networks.ensure(exampleNetwork)).toMatchObject({ value: { name: 'demo' } });
    routes['GET /networks'] = () => [200, []];
    routes['POST /networks/create'] = (body) => {
      made.push(body);
      return made.length === 1
        ? [409, { message: 'network with name demo already exists' }]
        : [201, { Id: 'engine2' }];
    };
    expect(await networks.ensure(exampleNetwork)).toEqual({
      kind: 'ok',
      value: { id: 'engine2', name: 'demo-network1', networkId: 'network1' },
    });
    expect(made[0]).toEqual({
      Name: 'demo',
      CheckDuplicate: true,
      Driver: 'shoal',
      Internal: false,
      EnableIPv6: true,
      IPAM: {
        Driver: 'shoal',
        Options: { 'com.shoal.network': 'network1' },
        Config: [
          { Subnet: '10.0.1.0/24', Gateway: '10.0.1.1' },
          { Subnet: 'fd00:1::/64', Gateway: 'fd00:1::1' },
        ],
      },
      Options: { 'com.shoal.network': 'network1' },
      Labels: { 'com.shoal.network': 'network1' },
    });
  });
});
