import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeFleet } from './fake-fleet.ts';
import { isRecorded, readRecording } from './recording.ts';
import { isDescribed, swaggerOf } from './swagger.ts';

const isThere = isDescribed() && isRecorded('http-1.50');
/** First version with a swarm, to the newest that is spoken. */
const versions = Array.from({ length: 27 }, (_, at) => 24 + at);
const image = 'busybox:latest';

let fleet: FakeFleet;
/** Ids of what the swarm has, by a name for the tests. */
const ids: Record<string, string> = {};

beforeAll(async () => {
  if (!isThere) return;
  const recording = readRecording('http-1.50');
  fleet = new FakeFleet(recording);
  await fleet.start(recording);
  await found();
  await fill();
});
afterAll(() => fleet?.close());

async function found(): Promise<void> {
  const ListenAddr = fleet.address('10.99.0.1:2377');
  const AdvertiseAddr = fleet.address('10.99.0.1');
  ids['node'] = (await fleet.call('n1', 'POST', '/swarm/init', {
    ListenAddr,
    AdvertiseAddr,
  })) as string;
  await fleet.settle();
  await fleet.join('n2', 'worker');
}

async function fill(): Promise<void> {
  const make = async (kind: string, body: object): Promise<string> => {
    const made = await fleet.call('n1', 'POST', `/${kind}/create`, body);
    return (made as { ID?: string; Id?: string }).ID ?? (made as { Id: string }).Id;
  };
  ids['network'] = await make('networks', { Name: 'net1', Driver: 'overlay', Labels: { a: 'b' } });
  const Data = Buffer.from('x').toString('base64');
  ids['secret'] = await make('secrets', { Name: 'one', Data });
  ids['config'] = await make('configs', { Name: 'one', Data, Labels: { a: 'b' } });
  await fleet.settle();
  ids['service'] = await make('services', rich());
  const ContainerSpec = { Image: image };
  for (const Mode of [{ Global: {} }, { ReplicatedJob: {} }, { GlobalJob: {} }]) {
    const Name = Object.keys(Mode).join('');
    await make('services', { Name, Mode, TaskTemplate: { ContainerSpec } });
  }
  await fleet.settle();
  const tasks = (await fleet.call('n1', 'GET', '/tasks')) as readonly { ID: string }[];
  expect(tasks.length).toBeGreaterThan(5);
  ids['task'] = tasks[0]?.ID ?? '';
}

/** A service with a bit of everything. */
function rich(): object {
  const File = { Name: 'x', UID: '0', GID: '0', Mode: 292 };
  return {
    Name: 'web',
    Labels: { tier: 'front' },
    TaskTemplate: {
      ContainerSpec: {
        Image: image,
        Env: ['A=b'],
        Mounts: [
          { Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { Labels: { a: 'b' } } },
          { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1_048_576, Mode: 1_023 } },
          { Type: 'bind', Source: '/etc', Target: '/b', BindOptions: { Propagation: 'rslave' } },
        ],
        Healthcheck: { Test: ['CMD', 'true'], Interval: 5_000_000_000 },
        Secrets: [{ SecretID: ids['secret'], SecretName: 'one', File }],
        Configs: [{ ConfigID: ids['config'], ConfigName: 'one', File }],
        Privileges: { SELinuxContext: { Disable: true } },
        Ulimits: [{ Name: 'nofile', Soft: 10, Hard: 20 }],
        DNSConfig: { Nameservers: ['8.8.8.8'] },
      },
      Resources: { Limits: { NanoCPUs: 1e8 }, Reservations: { MemoryBytes: 8_388_608 } },
      Placement: {
        Constraints: ['node.role==manager'],
        Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.a' } }],
      },
      Networks: [{ Target: 'net1', Aliases: ['w'] }],
      LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } },
      RestartPolicy: { Condition: 'on-failure', Delay: 1e9 },
    },
    Mode: { Replicated: { Replicas: 3 } },
    UpdateConfig: { Parallelism: 2 },
    EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8_080 }] },
  };
}

/** What every version is asked for; `{x}` is an id of ours. */
const reads = [
  ...['/swarm', '/swarm/unlockkey', '/nodes', '/services', '/tasks', '/secrets', '/configs'],
  ...['/networks', '/nodes/{node}', '/services/{service}', '/tasks/{task}', '/secrets/{secret}'],
  ...['/configs/{config}', '/networks/{network}', '/info', '/version'],
];
const since: Readonly<Record<string, number>> = {
  '/secrets': 25,
  '/configs': 30,
  '/swarm/unlockkey': 25,
};

function isKnownTo(minor: number, path: string): boolean {
  return Object.entries(since).every(([start, first]) => !path.startsWith(start) || minor >= first);
}

function template(path: string): string {
  return path.replace(/\{\w+\}/, '{id}');
}

function given(path: string): string {
  return path.replace(/\{(\w+)\}/, (_, name: string) => ids[name] ?? '');
}

describe.skipIf(!isThere)('answers are as the version describes them', () => {
  test.each(versions)('1.%i', async (minor) => {
    const swagger = swaggerOf(minor);
    const faults: string[] = [];
    for (const path of reads.filter((each) => isKnownTo(minor, each))) {
      const { status, json } = await fleet.ask('n1', 'GET', `/v1.${minor}${given(path)}`);
      expect({ path, status }).toEqual({ path, status: 200 });
      faults.push(...swagger.faults('GET', template(path), status, json));
    }
    for (const kind of ['nodes', 'services', 'tasks', 'networks']) {
      const { status, json } = await fleet.ask('n1', 'GET', `/v1.${minor}/${kind}/nope`);
      expect({ kind, status }).toEqual({ kind, status: 404 });
      faults.push(...swagger.faults('GET', `/${kind}/{id}`, status, json));
    }
    const outside = await fleet.ask('n3', 'GET', `/v1.${minor}/services`);
    expect(outside.status).toBe(503);
    faults.push(...swagger.refusalFaults(outside.json));
    expect(faults).toEqual([]);
  });

  test.each(versions)('1.%i: what is made, changed and refused', async (minor) => {
    const swagger = swaggerOf(minor);
    const faults: string[] = [];
    const version = `/v1.${minor}`;
    const Name = `made-${minor}`;
    const spec = { Name, TaskTemplate: { ContainerSpec: { Image: image } } };
    const made = await fleet.ask('n1', 'POST', `${version}/services/create`, spec);
    expect(made.status).toBe(201);
    faults.push(...swagger.faults('POST', '/services/create', 201, made.json));
    const again = await fleet.ask('n1', 'POST', `${version}/services/create`, spec);
    expect(again.status).toBe(409);
    faults.push(...swagger.refusalFaults(again.json));
    const { json } = await fleet.ask('n1', 'GET', `${version}/services/${Name}`);
    const { Index } = (json as { Version: { Index: number } }).Version;
    const path = `${version}/services/${Name}/update`;
    for (const [query, status] of [
      ['', 400],
      ['?version=1', 500],
      [`?version=${Index}&rollback=foo`, 500],
      [`?version=${Index}&registryAuthFrom=foo`, 500],
      [`?version=${Index}`, 200],
    ] as const) {
      const changed = await fleet.ask('n1', 'POST', `${path}${query}`, spec);
      expect({ query, status: changed.status }).toEqual({ query, status });
      if (status === 200)
        faults.push(...swagger.faults('POST', '/services/{id}/update', 200, changed.json));
      else faults.push(...swagger.refusalFaults(changed.json));
    }
    const network = { Name, Driver: 'overlay' };
    const built = await fleet.ask('n1', 'POST', `${version}/networks/create`, network);
    faults.push(...swagger.faults('POST', '/networks/create', built.status, built.json));
    expect(faults).toEqual([]);
  });

  test('what older versions do not know is left out', async () => {
    const at = async (minor: number) => {
      const { json } = await fleet.ask('n1', 'GET', `/v1.${minor}/services?status=true`);
      return (json as readonly { ServiceStatus?: object }[])[0]?.ServiceStatus;
    };
    expect(await at(40)).toBeUndefined();
    expect(await at(41)).toMatchObject({ RunningTasks: expect.any(Number) });
  });
});
