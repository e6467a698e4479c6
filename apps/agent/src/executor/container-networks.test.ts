// How containers come into several networks, by the age of the engine. The engine is a table of answers.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import type { NodeDescription, TaskAssignment } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeEngineApi, type FakeRoutes } from '../testing/fake-engine-api.ts';
import type { ContainerNetworkPlan } from './container-networks.ts';
import { DockerEngine } from './docker-engine.ts';

const node: NodeDescription = {
  Hostname: 'host-1',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '20.10.24', Plugins: [] },
};
const assignment: TaskAssignment = {
  ...{ taskId: 'task1', serviceId: 'service1', serviceName: 'web', serviceLabels: {}, slot: 1 },
  ...{ nodeId: 'node1', desired: 'running', hostPorts: [], localNetworks: [] },
  template: {
    ContainerSpec: { Image: 'busybox', DNSConfig: { Nameservers: ['192.0.2.53'] } },
    ForceUpdate: 0,
  },
};
const plan: ContainerNetworkPlan = {
  networks: [
    { name: 'demo', addresses: ['10.0.1.8', 'fd00:1::8'], driverOptions: { a: 'b' } },
    { name: 'back', addresses: ['10.0.2.8'], driverOptions: {} },
  ],
  nameservers: ['10.0.1.1', '192.0.2.53'],
  hostDefaults: { search: [], options: [] },
};
const demo = {
  IPAMConfig: { IPv4Address: '10.0.1.8', IPv6Address: 'fd00:1::8' },
  DriverOpts: { a: 'b' },
};
const back = { IPAMConfig: { IPv4Address: '10.0.2.8' }, DriverOpts: {} };

describe('a container in two networks', () => {
  let folder: string;
  let api: FakeEngineApi;
  let routes: FakeRoutes;
  let engine: DockerEngine;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-networks-'));
    routes = {
      'POST /containers/create': () => [201, { Id: 'c1' }],
      'POST /networks/back/connect': () => [200, {}],
      'POST /networks/bridge/connect': () => [200, {}],
      'GET /containers/json': () => [200, []],
    };
  });
  afterEach(async () => {
    await api.close();
    await rm(folder, { recursive: true });
  });

  async function start(version: string): Promise<void> {
    api = await FakeEngineApi.listen(folder, version, routes);
    engine = new DockerEngine({
      ...{ address: api.address, processors: 1, observe: () => undefined },
      clock: systemClock,
      networks: { plan: () => ({ kind: 'ok', value: plan }) },
    });
    // Any answer says how old the engine is.
    await engine.list('node1');
  }

  test('is made in both at once from API 1.44 on', async () => {
    await start('1.44');
    expect(await engine.create(assignment, node)).toEqual({ kind: 'ok', value: { id: 'c1' } });
    const [body] = api.bodies('POST /containers/create');
    expect(body).toMatchObject({
      HostConfig: { NetworkMode: 'demo', Dns: ['10.0.1.1', '192.0.2.53'] },
      NetworkingConfig: { EndpointsConfig: { demo, back } },
    });
    expect(JSON.stringify(body)).not.toContain('Aliases');
    expect(api.bodies('POST /networks/back/connect')).toEqual([]);
  });

  test('is made in the first and connected with the others before', async () => {
    await start('1.43');
    expect(await engine.create({ ...assignment, localNetworks: ['bridge'] }, node)).toMatchObject({
      kind: 'ok',
    });
    const [body] = api.bodies('POST /containers/create');
    expect(body).toMatchObject({ NetworkingConfig: { EndpointsConfig: { demo } } });
    expect(JSON.stringify(body)).not.toContain('back');
    expect(api.bodies('POST /networks/back/connect')).toEqual([
      { Container: 'c1', EndpointConfig: back },
    ]);
    expect(api.bodies('POST /networks/bridge/connect')).toEqual([{ Container: 'c1' }]);
  });

  test.each([
    ['what it lacks', 'created', 'task1', 1],
    ['nothing once it has run', 'running', 'task1', 0],
    ['nothing where it is of somebody else', 'created', 'task9', 0],
  ])('that an earlier attempt has made gets %s', async (_what, status, taskId, connects) => {
    routes['POST /containers/create'] = () => [409, { message: 'the name is in use' }];
    routes['GET /containers/web.1.task1/json'] = () => [
      200,
      {
        Id: 'c1',
        State: { Status: status },
        Config: { Labels: { 'com.docker.swarm.task.id': taskId } },
        NetworkSettings: { Networks: { demo: {} } },
      },
    ];
    await start('1.41');
    expect(await engine.create(assignment, node)).toMatchObject({
      kind: 'failed',
      failure: { kind: 'conflict' },
    });
    expect(api.bodies('POST /networks/back/connect')).toHaveLength(connects);
  });

  test('is not made as long as a network is missing', async () => {
    await start('1.44');
    const failure = { kind: 'unreachable', message: 'not built yet' } as const;
    engine = new DockerEngine({
      ...{ address: api.address, processors: 1, observe: () => undefined },
      clock: systemClock,
      networks: { plan: () => ({ kind: 'failed', failure }) },
    });
    expect(await engine.create(assignment, node)).toEqual({ kind: 'failed', failure });
    expect(api.bodies('POST /containers/create')).toEqual([]);
  });
});
