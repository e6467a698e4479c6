// The protocol over a real socket, with the requests that engines 20.10 and 28 were seen to send.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, silentLogger, systemClock } from '@shoal/runtime';
import { SocketServedError } from '@shoal/runtime/process';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { overlayMetrics } from '../metrics.ts';
import { exampleNetwork } from '../testing/examples.ts';
import { type AddressBook, ipamDriverMethods } from './ipam-driver.ts';
import { type EndpointPlumbing, networkDriverMethods } from './network-driver.ts';
import { driverName, PluginServer } from './server.ts';

const engineId = '7db1ba27af17b95297b836054631e1739d177961517f52e7129a35be33139bdf';
const endpointId = '7853f7facb2f41e4b1b2a1b3b49d0c9d177961517f52e7129a35be33139bdf00';
const sandbox = '/run/docker/netns/cc635a14131e';

/** Remembers what it was asked. */
class FakePlumbing implements EndpointPlumbing {
  readonly asked: unknown[] = [];
  networkCreated: EndpointPlumbing['networkCreated'] = async (...words) => {
    this.asked.push(['networkCreated', ...words]);
    return { kind: 'ok', value: undefined };
  };
  networkDeleted: EndpointPlumbing['networkDeleted'] = (id) => {
    this.asked.push(['networkDeleted', id]);
  };
  endpointCreated: EndpointPlumbing['endpointCreated'] = (endpoint) => {
    this.asked.push(['endpointCreated', endpoint]);
    return { kind: 'ok', value: '02:42:0a:00:01:0b' };
  };
  endpointDeleted: EndpointPlumbing['endpointDeleted'] = (id) => {
    this.asked.push(['endpointDeleted', id]);
  };
  join: EndpointPlumbing['join'] = async (...words) => {
    this.asked.push(['join', ...words]);
    return { kind: 'ok', value: { device: 'sc-7853f7facb2', subnets: ['10.0.2.0/24'] } };
  };
  leave: EndpointPlumbing['leave'] = (id) => {
    this.asked.push(['leave', id]);
  };
  activated = (): void => {
    this.asked.push(['activated']);
  };
}

class FakeBook implements AddressBook {
  readonly asked: unknown[] = [];
  network: AddressBook['network'] = (id) => (id === exampleNetwork.id ? exampleNetwork : undefined);
  give: AddressBook['give'] = async (networkId, subnet, wanted) => {
    this.asked.push(['give', networkId, subnet, wanted]);
    return { kind: 'ok', value: `${wanted || '10.0.1.200'}/24` };
  };
  release: AddressBook['release'] = (networkId, address) => {
    this.asked.push(['release', networkId, address]);
  };
}

describe('the plugin socket', () => {
  let folder: string;
  let socket: string;
  let plumbing: FakePlumbing;
  let book: FakeBook;
  let server: PluginServer;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-plugin-'));
    socket = join(folder, 'plugins', 'shoal.sock');
    await start(systemClock);
  });
  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  async function start(clock: Clock): Promise<void> {
    plumbing = new FakePlumbing();
    book = new FakeBook();
    const methods = new Map([...networkDriverMethods(plumbing), ...ipamDriverMethods(book)]);
    const metrics = overlayMetrics(new Registry());
    server = await PluginServer.listen({ socket, methods, clock, logger: silentLogger, metrics });
  }

  test('stays with the agent that has it', async () => {
    await expect(start(systemClock)).rejects.toThrow(new SocketServedError(socket));
    expect((await post('/Plugin.Activate', {})).status).toBe(200);
  });

  function post(path: string, body: string | object): Promise<{ status: number; answer: unknown }> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: socket, path, method: 'POST' }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer: unknown = JSON.parse(Buffer.concat(chunks).toString());
          resolve({ status: response.statusCode ?? 0, answer });
        });
      });
      call.on('error', reject);
      call.end(text);
    });
  }

  test('is for root alone, and the engine knows the driver by its name', async () => {
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    expect(driverName(socket)).toBe('shoal');
  });

  test.each<[string, object, object, unknown]>([
    ['/Plugin.Activate', {}, { Implements: ['NetworkDriver', 'IpamDriver'] }, ['activated']],
    [
      '/NetworkDriver.GetCapabilities',
      {},
      { Scope: 'local', ConnectivityScope: 'global' },
      undefined,
    ],
    [
      '/NetworkDriver.CreateNetwork',
      {
        NetworkID: engineId,
        Options: {
          'com.docker.network.enable_ipv6': false,
          'com.docker.network.generic': { 'com.shoal.network': 'network1' },
        },
        IPv4Data: [{ AddressSpace: 'shoal-local', Gateway: '10.0.1.1/24', Pool: '10.0.1.0/24' }],
        IPv6Data: [],
      },
      {},
      ['networkCreated', engineId, 'network1'],
    ],
    [
      '/NetworkDriver.CreateEndpoint',
      {
        NetworkID: engineId,
        EndpointID: endpointId,
        Interface: { Address: '10.0.1.11/24', AddressIPv6: '', MacAddress: '' },
        Options: {
          'com.docker.network.endpoint.exposedports': [],
          'com.docker.network.portmap': [],
          'com.shoal.nameservers': '192.0.2.54,nonsense,2001:db8::1',
        },
      },
      { Interface: { MacAddress: '02:42:0a:00:01:0b' } },
      [
        'endpointCreated',
        {
          ...{ engineNetworkId: engineId, id: endpointId, addresses: ['10.0.1.11/24'], mac: '' },
          nameservers: ['192.0.2.54', '2001:db8::1'],
        },
      ],
    ],
    [
      '/NetworkDriver.Join',
      { NetworkID: engineId, EndpointID: endpointId, SandboxKey: sandbox, Options: {} },
      {
        InterfaceName: { SrcName: 'sc-7853f7facb2', DstPrefix: 'eth' },
        StaticRoutes: [{ Destination: '10.0.2.0/24', RouteType: 1 }],
      },
      ['join', endpointId, sandbox],
    ],
    [
      '/NetworkDriver.EndpointOperInfo',
      { NetworkID: engineId, EndpointID: endpointId },
      { Value: {} },
      undefined,
    ],
    ['/NetworkDriver.ProgramExternalConnectivity', { NetworkID: engineId }, {}, undefined],
    [
      '/NetworkDriver.Leave',
      { NetworkID: engineId, EndpointID: endpointId },
      {},
      ['leave', endpointId],
    ],
    [
      '/NetworkDriver.DeleteEndpoint',
      { NetworkID: engineId, EndpointID: endpointId },
      {},
      ['endpointDeleted', endpointId],
    ],
    ['/NetworkDriver.DeleteNetwork', { NetworkID: engineId }, {}, ['networkDeleted', engineId]],
  ])('%s', async (path, body, answer, asked) => {
    expect(await post(path, body)).toEqual({ status: 200, answer });
    expect(plumbing.asked).toEqual(asked === undefined ? [] : [asked]);
  });

  test('a hardware address that was given is not answered', async () => {
    const { answer } = await post('/NetworkDriver.CreateEndpoint', {
      NetworkID: engineId,
      EndpointID: endpointId,
      Interface: {
        Address: '10.0.1.11/24',
        AddressIPv6: 'fd00:1::b/64',
        MacAddress: '02:42:0a:00:01:0b',
      },
    });
    expect(answer).toEqual({ Interface: {} });
    expect(plumbing.asked).toMatchObject([
      ['endpointCreated', { addresses: ['10.0.1.11/24', 'fd00:1::b/64'], nameservers: [] }],
    ]);
  });

  const poolId = 'network1/10.0.1.0/24';
  const gateway = { RequestAddressType: 'com.docker.network.gateway' };
  test.each<[string, string, object, object]>([
    [
      'a pool',
      'RequestPool',
      { Pool: '10.0.1.0/24', SubPool: '', Options: { 'com.shoal.network': 'network1' }, V6: false },
      { PoolID: poolId, Pool: '10.0.1.0/24', Data: {} },
    ],
    [
      'a pool of IPv6',
      'RequestPool',
      { Pool: '', Options: { 'com.shoal.network': 'network1' }, V6: true },
      { PoolID: 'network1/fd00:1::/64', Pool: 'fd00:1::/64', Data: {} },
    ],
    [
      'the gateway',
      'RequestAddress',
      { PoolID: poolId, Address: '10.0.1.1', Options: gateway },
      { Address: '10.0.1.1/24', Data: {} },
    ],
    [
      'the gateway, whichever it is',
      'RequestAddress',
      { PoolID: poolId, Address: '', Options: gateway },
      { Address: '10.0.1.1/24', Data: {} },
    ],
    [
      'any address',
      'RequestAddress',
      { PoolID: poolId, Address: '', Options: null },
      { Address: '10.0.1.200/24', Data: {} },
    ],
    [
      'a certain address',
      'RequestAddress',
      { PoolID: poolId, Address: '10.0.1.9', Options: {} },
      { Address: '10.0.1.9/24', Data: {} },
    ],
    ['a pool back', 'ReleasePool', { PoolID: poolId }, {}],
    ['an address back', 'ReleaseAddress', { PoolID: poolId, Address: '10.0.1.9' }, {}],
  ])('address management: %s', async (_what, call, body, answer) => {
    expect(await post(`/IpamDriver.${call}`, body)).toEqual({ status: 200, answer });
  });

  test.each<[string, string, object, RegExp]>([
    [
      'a network that was made by hand',
      'NetworkDriver.CreateNetwork',
      { NetworkID: engineId, Options: { 'com.docker.network.generic': {} } },
      /docker network create -d overlay/,
    ],
    ['a pool by hand', 'IpamDriver.RequestPool', { Pool: '', Options: null }, /-d overlay/],
    [
      'a pool of another network',
      'IpamDriver.RequestPool',
      { Pool: '10.9.0.0/24', Options: { 'com.shoal.network': 'network1' } },
      /no subnet 10.9.0.0\/24/,
    ],
    [
      'an address elsewhere',
      'IpamDriver.RequestAddress',
      { PoolID: poolId, Address: '10.9.0.1' },
      /not in 10.0.1.0\/24/,
    ],
    ['no pool', 'IpamDriver.RequestAddress', { PoolID: 'x', Address: '' }, /no pool x/],
  ])('refused: %s', async (_what, call, body, reason) => {
    const { answer } = await post(`/${call}`, body);
    expect(answer).toMatchObject({ Err: expect.stringMatching(reason) });
    // Both interfaces have their own word for it.
    expect(answer).toMatchObject({ Error: expect.stringMatching(reason) });
  });

  test('the engine makes its next call on the same connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const path = '/NetworkDriver.GetCapabilities';
    const call = (): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const made = request({ socketPath: socket, path, method: 'POST', agent }, (response) => {
          // Go keeps a connection only where it knows the end of the answer from the start.
          expect(response.headers['content-length']).toBeDefined();
          response.resume().once('end', () => resolve(made.reusedSocket));
        });
        made.once('error', reject).end('{}');
      });
    expect([await call(), await call()]).toEqual([false, true]);
    agent.destroy();
  });

  test('what is not implemented is not found: the engine goes on without', async () => {
    expect((await post('/NetworkDriver.GwAllocCheck', {})).status).toBe(404);
  });

  test('malformed bodies are refused with a reason, and the next call works', async () => {
    const paths = ['Plugin.Activate', 'NetworkDriver.CreateNetwork', 'NetworkDriver.Join'].concat([
      'NetworkDriver.CreateEndpoint',
      'IpamDriver.RequestPool',
      'IpamDriver.RequestAddress',
    ]);
    const known = fc.record(
      {
        NetworkID: fc.anything(),
        EndpointID: fc.anything(),
        SandboxKey: fc.anything(),
        Interface: fc.anything(),
        Options: fc.anything(),
        PoolID: fc.anything(),
        Address: fc.anything(),
      },
      { requiredKeys: [] },
    );
    const bodies = fc.oneof(
      fc.string(),
      fc.json(),
      known.map((each) =>
        JSON.stringify(each, (_key, value) => (typeof value === 'bigint' ? 1 : value)),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), bodies, async (path, body) => {
        const { status, answer } = await post(`/${path}`, body);
        expect(status).toBe(200);
        expect(typeof answer).toBe('object');
      }),
      { numRuns: 300 },
    );
    expect((await post('/NetworkDriver.GetCapabilities', {})).status).toBe(200);
  });

  test('a body without end is not read to its end', async () => {
    const { answer } = await post('/NetworkDriver.CreateNetwork', 'x'.repeat((1 << 20) + 1));
    expect(answer).toMatchObject({ Err: 'the request is too long' });
  });

  test('bytes that are no HTTP do no harm', async () => {
    const stray = connect(socket);
    stray.on('error', () => undefined).resume();
    const closed = new Promise((resolve) => stray.once('close', resolve));
    stray.write('\0\0\0 not http at all\r\n\r\n');
    await closed;
    expect((await post('/Plugin.Activate', '')).status).toBe(200);
  });

  test('the engine has an answer even when the work hangs', async () => {
    await server.close();
    let fire: (() => void) | undefined;
    const joined = Promise.withResolvers<undefined>();
    await start({
      ...systemClock,
      after(delayMs, late) {
        expect(delayMs).toBe(5_000);
        fire = late;
        joined.resolve(undefined);
        return { cancel: () => undefined };
      },
    });
    plumbing.join = () => new Promise(() => undefined);
    const body = { NetworkID: engineId, EndpointID: endpointId, SandboxKey: sandbox };
    const answer = post('/NetworkDriver.Join', body);
    await joined.promise;
    fire?.();
    expect((await answer).answer).toMatchObject({
      Err: 'NetworkDriver.Join was not done within 5000 ms',
    });
  });
});
