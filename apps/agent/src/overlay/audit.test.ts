// What is known here against what an engine says, the engine being a table of answers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@shoal/runtime';
import { Registry as Metrics } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineHttp } from '../executor/engine-http.ts';
import type { Attached } from '../network/ports.ts';
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
const taskLabels = {
  'com.docker.swarm.task.id': 'task1',
  'com.docker.swarm.task.name': 'web.1.task1',
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
  /** Addresses that the swarm was asked for, and its answer. */
  let asked: string[];
  let given: Attached;
  let detached: string[];
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
      'GET /containers/json': () => [200, [{ Names: ['/web.1.task1'], Labels: taskLabels }]],
    };
    engine = await FakeEngineApi.listen(folder, '1.41', routes);
    const http = new EngineHttp(
      engine.address,
      () => undefined,
      () => systemClock.monotonic(),
    );
    networks = new EngineNetworks(http, 'shoal');
    [named, detached] = [[], []];
    asked = [];
    given = { kind: 'failed', message: 'no manager can be reached' };
    const attachments = () => ({
      attach: async (_networkId: string, wanted?: string) => {
        asked.push(wanted ?? '');
        return given;
      },
      held: () => undefined,
      named: (...words: unknown[]) => void named.push(words),
      detach: (id: string) => void detached.push(id),
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

  test.each([
    { what: 'of a renamed one', endpointId: 'e1', kept: ['task1'] },
    { what: 'of one that was committed from it', endpointId: 'e9', kept: [] },
  ])('labels alone keep no plan, the task’s address does: $what', async ({ endpointId, kept }) => {
    const networks = [{ networkId: 'network1', addresses: ['10.0.1.8/24'] }];
    registry.planTask({ taskId: 'task1', networks, upstreams: [] });
    const NetworkSettings = { Networks: { demo: { EndpointID: endpointId } } };
    routes['GET /containers/json'] = () => [
      200,
      [{ Names: ['/mine'], Labels: taskLabels, NetworkSettings }],
    ];
    await audit.run();
    await audit.run();
    expect(registry.taskIds).toEqual(kept);
  });

  describe('an address that was given to a container by hand', () => {
    const addresses = ['10.0.1.8/24'];

    test('goes back with the container that went unheard', async () => {
      registry.attach({ networkId: 'network1', addresses, endpointId: 'attachment1' });
      await audit.run();
      containers = {};
      await rm(sandbox);
      await audit.run();
      expect(detached).toEqual(['attachment1']);
      expect(registry.attachments).toEqual([]);
    });

    test('stays with the container that came back with it', async () => {
      registry.attach({ networkId: 'network1', addresses, endpointId: 'attachment1' });
      await audit.run();
      containers = { c1: { ...endpoint, EndpointID: 'e2' } };
      for (let look = 0; look < 3; look += 1) await audit.run();
      expect(registry.endpoints.map(({ id }) => id)).toEqual(['e2']);
      expect(detached).toEqual([]);
      expect(registry.attachmentAt('network1', '10.0.1.8')).toBeDefined();
    });

    test('and that nobody has goes back at the second look', async () => {
      const unheld = { networkId: 'network1', addresses: ['10.0.1.9/24'] };
      registry.attach({ ...unheld, endpointId: 'attachment9' });
      await audit.run();
      expect(detached).toEqual([]);
      await audit.run();
      expect(detached).toEqual(['attachment9']);
      expect(registry.attachments).toEqual([]);
    });
  });

  test('a start asks the engine for no container that is named already', async () => {
    let inspected = 0;
    routes['GET /containers/c1/json'] = () => {
      inspected += 1;
      return [200, { NetworkSettings: { SandboxKey: sandbox } }];
    };
    const addresses = ['10.0.1.8/24'];
    registry.attach({ networkId: 'network1', addresses, endpointId: 'attachment1' });
    await audit.name('network1');
    await audit.name('network1');
    expect(inspected).toBe(1);
    containers = { c1: { ...endpoint, Name: 'renamed' } };
    await audit.name('network1');
    expect(named.at(-1)).toEqual(['attachment1', 'renamed', ['c1']]);
    // Its aliases may be others.
    await audit.run();
    expect(inspected).toBe(3);
  });

  test('the names of a container that was run by hand are told', async () => {
    const addresses = ['10.0.1.8/24'];
    registry.attach({ networkId: 'network1', addresses, endpointId: 'attachment1' });
    const Networks = {
      demo: { NetworkID: 'engine1', Aliases: ['db'], DNSNames: ['hand', 'db', 'c1', 'hand-host'] },
      bridge: { NetworkID: 'engine9', Aliases: ['elsewhere'], DNSNames: null },
    };
    routes['GET /containers/c1/json'] = () => [
      200,
      { Config: { Hostname: 'hand-host' }, NetworkSettings: { SandboxKey: sandbox, Networks } },
    ];
    await audit.name('network1');
    expect(named).toEqual([['attachment1', 'hand', ['c1', 'hand-host', 'db']]]);
  });

  test('as many of its names as a record can hold', async () => {
    const addresses = ['10.0.1.8/24'];
    registry.attach({ networkId: 'network1', addresses, endpointId: 'attachment1' });
    const Aliases = ['x'.repeat(254), ...Array.from({ length: 30 }, (_, at) => `db${at}`)];
    const Networks = { demo: { NetworkID: 'engine1', Aliases } };
    routes['GET /containers/c1/json'] = () => [
      200,
      { NetworkSettings: { SandboxKey: sandbox, Networks } },
    ];
    await audit.name('network1');
    const names = ['c1', ...Array.from({ length: 23 }, (_, at) => `db${at}`)];
    expect(named).toEqual([['attachment1', 'hand', names]]);
  });

  describe('with an address that nobody is known to have given', () => {
    const { subnets } = exampleNetwork;
    const open = { ...exampleNetwork, attachable: true, subnets: subnets.slice(0, 1) };
    const addresses = ['10.0.1.8/24'];

    test('is asked for until the swarm gives it', async () => {
      registry.putNetwork(open);
      await audit.run();
      // It may be about to go.
      expect(asked).toEqual([]);
      await audit.run();
      expect(registry.attachmentAt('network1', '10.0.1.8')).toBeUndefined();
      given = { kind: 'ok', attachmentId: 'attachment1', addresses };
      await audit.run();
      await audit.run();
      expect(asked).toEqual(['10.0.1.8', '10.0.1.8']);
      expect(registry.attachmentAt('network1', '10.0.1.8')?.endpointId).toBe('attachment1');
      expect(named).toContainEqual(['attachment1', 'hand', ['c1']]);
    });

    const closed = { ...open, attachable: false };
    const both = { ...open, subnets };
    const isAsked = ['10.0.1.8'];
    test.each([
      { what: 'by hand', name: 'hand', labels: {}, of: open, wanted: isAsked },
      { what: 'a task’s', name: 'web.1.task1', labels: taskLabels, of: open, wanted: [] },
      {
        what: 'from a task’s image',
        ...{ name: 'hand', labels: taskLabels, of: open, wanted: isAsked },
      },
      { what: 'in a network of tasks alone', name: 'hand', labels: {}, of: closed, wanted: [] },
      { what: 'in a network of both families', name: 'hand', labels: {}, of: both, wanted: [] },
    ])('is asked for where it can be: $what', async ({ name, labels, of, wanted }) => {
      registry.putNetwork(of);
      routes['GET /containers/c1/json'] = () => [
        200,
        {
          Name: `/${name}`,
          Config: { Labels: labels },
          NetworkSettings: { SandboxKey: sandbox },
        },
      ];
      await audit.run();
      await audit.run();
      expect(asked).toEqual(wanted);
    });
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
