import { type Json, type Path, pathsOf, replaced } from './json.ts';

const secondNanos = 1_000_000_000;

const rolling: Json = {
  Parallelism: 1,
  Delay: secondNanos,
  FailureAction: 'pause',
  Monitor: 5 * secondNanos,
  MaxFailureRatio: 0.5,
  Order: 'stop-first',
};

/** A spec with every part that a Linux engine knows. `<secret>`, `<config>` and `<network>` exist on both sides. */
export const wholeSpec: Json = {
  Name: 'svc',
  Labels: { a: 'b' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'busybox:latest',
      Labels: { c: 'd' },
      Command: ['sh'],
      Args: ['-c', 'true'],
      Hostname: 'h',
      Env: ['A=1'],
      Dir: '/x',
      User: 'u',
      Groups: ['g'],
      Privileges: {
        SELinuxContext: { Disable: false, User: 'u', Role: 'r', Type: 't', Level: 'l' },
      },
      StopSignal: 'SIGTERM',
      TTY: true,
      OpenStdin: true,
      ReadOnly: true,
      Mounts: [
        {
          Type: 'volume',
          Source: 'v',
          Target: '/v',
          ReadOnly: true,
          VolumeOptions: {
            NoCopy: true,
            Labels: { x: 'y' },
            DriverConfig: { Name: 'local', Options: { o: 'p' } },
          },
        },
        { Type: 'bind', Source: '/tmp', Target: '/b', BindOptions: { Propagation: 'rprivate' } },
        { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1_048_576, Mode: 511 } },
      ],
      StopGracePeriod: secondNanos,
      Healthcheck: {
        Test: ['CMD', 'true'],
        Interval: secondNanos,
        Timeout: secondNanos,
        Retries: 3,
        StartPeriod: secondNanos,
      },
      Hosts: ['1.2.3.4 a'],
      DNSConfig: { Nameservers: ['8.8.8.8'], Search: ['s'], Options: ['o'] },
      Isolation: 'default',
      Init: true,
      Sysctls: { 'net.core.somaxconn': '1024' },
      CapabilityAdd: ['CAP_NET_ADMIN'],
      CapabilityDrop: ['ALL'],
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
      Secrets: [
        {
          File: { Name: 'f', UID: '0', GID: '0', Mode: 292 },
          SecretID: '<secret>',
          SecretName: 'sec',
        },
      ],
      Configs: [
        {
          File: { Name: '/f', UID: '0', GID: '0', Mode: 292 },
          ConfigID: '<config>',
          ConfigName: 'conf',
        },
      ],
    },
    Resources: {
      Limits: { NanoCPUs: secondNanos, MemoryBytes: 67_108_864, Pids: 100 },
      Reservations: {
        NanoCPUs: 100_000_000,
        MemoryBytes: 33_554_432,
        GenericResources: [
          { DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } },
          { NamedResourceSpec: { Kind: 'k', Value: 'v' } },
        ],
      },
    },
    RestartPolicy: { Condition: 'any', Delay: secondNanos, MaxAttempts: 3, Window: secondNanos },
    Placement: {
      Constraints: ['node.role==manager'],
      Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.x' } }],
      MaxReplicas: 3,
      Platforms: [{ Architecture: 'amd64', OS: 'linux' }],
    },
    Networks: [{ Target: 'net1', Aliases: ['al'], DriverOpts: { a: 'b' } }],
    LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } },
    ForceUpdate: 1,
    Runtime: 'container',
  },
  Mode: { Replicated: { Replicas: 0 } },
  UpdateConfig: rolling,
  RollbackConfig: rolling,
  EndpointSpec: {
    Mode: 'vip',
    Ports: [
      {
        Name: 'p',
        Protocol: 'tcp',
        TargetPort: 80,
        PublishedPort: 8080,
        PublishMode: 'ingress',
      },
    ],
  },
};

/** Put in the place of everything there is; undefined takes it away. No id begins like the text. */
const anything: readonly (Json | undefined)[] = [
  ...[undefined, null, '', 'xyzzy', -1, 0, 1.5, 1e30, true, [], {}, ['', 'a'], { '': '' }],
  ...[' A b ', 'ä'],
];

const container = 'TaskTemplate.ContainerSpec';
const resources = 'TaskTemplate.Resources';
const placement = 'TaskTemplate.Placement';
const secretFile = { Name: 'f', UID: '0', GID: '0', Mode: 292 };
const secret = { SecretID: '<secret>', SecretName: 'sec', File: secretFile };
const published = (...ports: readonly Json[]): Json => ({ Ports: ports });
const web = { TargetPort: 80, PublishedPort: 8080 };

/** What is special in its own place. */
const special: Readonly<Record<string, readonly Json[]>> = {
  Name: [
    ...['a.b', 'a_b', '-a', 'a-', 'A/b', 'a b', '1', '.', 'a..b', 'é'],
    ...['a'.repeat(63), 'a'.repeat(64)],
  ],
  [`${container}.Image`]: [
    ...['BUSYBOX', 'busybox:', ':x', 'a b', 'busybox@sha256:xyz', 'a/b/c:d', 'http://x'],
    `busybox@sha256:${'a'.repeat(64)}`,
  ],
  [`${container}.Env`]: [['=x'], ['A'], [''], ['A=1', 'A=2'], ['A b=c']],
  [`${container}.Hosts`]: [['x'], ['1.2.3.4'], ['a 1.2.3.4'], ['1.2.3.4 a b c'], ['::1 a']],
  [`${container}.StopSignal`]: ['KILL', '9', 'SIGFOO', '999'],
  [`${container}.Isolation`]: ['process', 'hyperv', 'foo'],
  [`${container}.CapabilityAdd`]: [['net_admin'], ['ALL'], ['NOPE'], ['CAP_X', 'NET_ADMIN']],
  [`${container}.Hostname`]: ['{{.Node.Hostname}}', '{{.Nope}}', '{{', 'a b', 'x'.repeat(300)],
  [`${container}.Mounts`]: [
    [{ Type: 'volume', Target: '/v' }],
    [{ Type: 'volume', Source: 'v' }],
    [{ Type: 'bind', Target: '/v' }],
    [{ Type: 'bind', Source: 'rel', Target: '/v' }],
    [{ Type: 'bind', Source: '/x', Target: 'rel' }],
    [{ Type: 'tmpfs', Source: 'x', Target: '/v' }],
    [{ Type: 'npipe', Source: 'x', Target: '/v' }],
    [{ Type: 'foo', Target: '/v' }],
    [{ Target: '/v' }],
    [{}],
    [null],
    [
      { Type: 'volume', Source: 'a', Target: '/v' },
      { Type: 'volume', Source: 'b', Target: '/v' },
    ],
    [{ Type: 'volume', Source: '/abs', Target: '/v' }],
    [{ Type: 'volume', Source: 'a b', Target: '/v' }],
    [{ Type: 'bind', Source: '/x', Target: '/v', VolumeOptions: {} }],
    [{ Type: 'volume', Source: 'x', Target: '/v', BindOptions: {} }],
    [{ Type: 'tmpfs', Target: '/v', BindOptions: { Propagation: 'private' } }],
    [{ Type: 'bind', Source: '/x', Target: '/v', BindOptions: { Propagation: 'foo' } }],
    [{ Type: 'tmpfs', Target: '/v', TmpfsOptions: { SizeBytes: -1 } }],
    [{ Type: 'volume', Source: 'x', Target: '/' }],
    [{ Type: 'volume', Source: '{{.Service.Name}}', Target: '/v' }],
    [{ Type: 'volume', Source: '{{.Nope}}', Target: '/v' }],
  ],
  [`${container}.Healthcheck`]: [
    ...[{ Test: ['NONE'] }, { Test: ['FOO'] }, { Test: [] }, { Test: ['CMD'] }],
    ...[
      { Test: ['CMD', 'x'], Interval: 1 },
      { Test: ['CMD', 'x'], Timeout: 100 },
    ],
    ...[{ Retries: -1 }, { StartPeriod: 5 }],
  ],
  [`${container}.DNSConfig.Nameservers`]: [['x'], ['1.2.3.4', '::1']],
  [`${container}.Privileges`]: [
    ...[{ CredentialSpec: {} }, { CredentialSpec: { File: 'x' } }, { SELinuxContext: null }],
    ...[{ CredentialSpec: { Registry: 'x' } }, { CredentialSpec: { Config: 'x' } }],
    { CredentialSpec: { File: 'x', Registry: 'y' } },
  ],
  [`${container}.Secrets`]: [
    [{}],
    [{ SecretID: '<secret>' }],
    [{ SecretID: 'nope', SecretName: 'nope', File: { Name: 'f' } }],
    [{ ...secret, SecretName: 'other' }],
    [secret, secret],
    [{ ...secret, File: { ...secretFile, Name: '' } }],
    [{ ...secret, File: { ...secretFile, Name: '../x' } }],
    [null],
  ],
  [`${container}.Configs`]: [
    [{}],
    [{ ConfigID: '<config>' }],
    [{ ConfigID: 'nope', ConfigName: 'nope', File: { Name: 'f' } }],
    [{ ConfigID: '<config>', ConfigName: 'conf', Runtime: {} }],
    [{ ConfigID: '<config>', ConfigName: 'conf', Runtime: {}, File: { Name: 'x' } }],
    [{ ConfigID: '<config>', ConfigName: 'conf', File: { ...secretFile, Name: '' } }],
    [null],
  ],
  [`${resources}.Limits.NanoCPUs`]: [1, 100, 1_000_000, 1e12],
  [`${resources}.Limits.MemoryBytes`]: [1, 4_194_304, 4_194_303],
  [`${resources}.Limits.Pids`]: [-1, 1],
  [`${resources}.Reservations.NanoCPUs`]: [1, 2 * secondNanos],
  [`${resources}.Reservations.MemoryBytes`]: [1, 4_194_304, 100_000_000],
  [`${resources}.Reservations.GenericResources`]: [
    [{}],
    [{ DiscreteResourceSpec: {} }],
    [{ DiscreteResourceSpec: { Kind: 'a', Value: 0 } }],
    [{ DiscreteResourceSpec: { Kind: 'a', Value: -1 } }],
    [{ NamedResourceSpec: { Kind: 'a' } }],
    [
      { DiscreteResourceSpec: { Kind: 'a', Value: 1 } },
      { DiscreteResourceSpec: { Kind: 'a', Value: 2 } },
    ],
  ],
  'TaskTemplate.RestartPolicy.Condition': ['none', 'on-failure', 'always'],
  [`${placement}.Constraints`]: [
    ...[['node.role==worker'], ['node.role'], ['==x'], ['node.role=x'], ['foo==bar']],
    ...[['node.labels.a==b'], ['node.labels.==b'], ['node.labels.a!=b', 'engine.labels.x==y']],
    ...[['node.platform.os==linux'], ['node.ip==1.2.3.4'], ['node.ip==x'], ['node.role== ']],
    ...[['node.id == x'], ['node.labels.a b==c'], ['node.labels.a==b c'], [' node.role==a ']],
  ],
  [`${placement}.Preferences`]: [
    ...[[{}], [null], [{ Spread: {} }], [{ Spread: { SpreadDescriptor: 'foo' } }]],
    [{ Spread: { SpreadDescriptor: 'node.labels.' } }],
  ],
  'TaskTemplate.Networks': [
    ...[[{ Target: 'nope' }], [{ Target: '' }], [{}], [{ Target: 'ingress' }]],
    ...[[{ Target: 'host' }], [{ Target: 'bridge' }], [{ Target: 'none' }], [{ Target: 'NET1' }]],
  ],
  'TaskTemplate.Runtime': ['plugin', 'attachment', 'foo'],
  'TaskTemplate.PluginSpec': [{}, { Name: 'x' }],
  'TaskTemplate.NetworkAttachmentSpec': [{}, { ContainerID: 'x' }],
  Mode: [
    ...[{}, { Global: {} }, { Replicated: {} }, { Replicated: null }, { Foo: {} }],
    ...[{ Replicated: { Replicas: -1 } }, { Global: {}, Replicated: { Replicas: 1 } }],
    ...[{ ReplicatedJob: {} }, { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 0 } }],
    ...[{ ReplicatedJob: { MaxConcurrent: -1 } }, { GlobalJob: {} }],
    ...[{ Replicated: { Replicas: 'x' } }, { GlobalJob: {}, Global: {} }],
  ],
  'UpdateConfig.FailureAction': ['continue', 'rollback', 'foo'],
  'UpdateConfig.Order': ['start-first', 'foo'],
  'UpdateConfig.MaxFailureRatio': [1, 1.01, -0.1],
  'RollbackConfig.FailureAction': ['continue', 'rollback', 'foo'],
  'RollbackConfig.Order': ['start-first', 'foo'],
  'EndpointSpec.Mode': ['dnsrr', 'foo', 'VIP'],
  EndpointSpec: [
    { Mode: 'dnsrr' },
    { Mode: 'dnsrr', Ports: [] },
    published({ TargetPort: 80 }),
    published({ PublishedPort: 80 }),
    published({}),
    published({ TargetPort: 70_000 }),
    published({ TargetPort: 80, PublishedPort: 70_000 }),
    published(web, { TargetPort: 81, PublishedPort: 8080 }),
    published(web, { ...web, Protocol: 'udp' }),
    published({ ...web, PublishMode: 'host' }),
    published({ TargetPort: 80, PublishMode: 'foo' }),
    published({ TargetPort: 80, Protocol: 'foo' }),
    published({ TargetPort: 80, Protocol: 'TCP' }),
    published(web, web),
    { Mode: 'dnsrr', Ports: [{ ...web, PublishMode: 'host' }] },
    published({ TargetPort: 0, PublishedPort: 8080, PublishMode: 'host' }),
    published({ TargetPort: 80, Protocol: 'sctp' }),
  ],
};

export interface Neighbour {
  /** What differs from the whole spec, in words. */
  readonly change: string;
  readonly spec: Json;
}

/** The spec with each of its parts taken away, and with something else in the place of each. */
export function* neighboursAnywhere(spec: Json): Iterable<Neighbour> {
  for (const path of pathsOf(spec))
    for (const value of anything) yield neighbour(spec, path, value);
}

/** The spec with what is special where it is. */
export function* specialNeighbours(spec: Json): Iterable<Neighbour> {
  for (const [path, values] of Object.entries(special))
    for (const value of values) yield neighbour(spec, path.split('.'), value);
}

function neighbour(spec: Json, path: Path, value: Json | undefined): Neighbour {
  const change = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 200)}`;
  return { change, spec: replaced(spec, path, value) };
}
