import { maxVersion, parseServiceSpec } from '@shoal/docker-api';
import type { NodeDescription, ServiceSpec } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { containerConfig } from './container-config.ts';

const node: NodeDescription = {
  Hostname: 'host-1',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '28.2.2', Plugins: [] },
};

/** What a flag adds to the body that the client sends. */
interface Sent {
  readonly container?: object;
  readonly template?: object;
  readonly service?: object;
}

function specOf({ container, template, service }: Sent): ServiceSpec {
  const TaskTemplate = { ContainerSpec: { Image: 'busybox:latest', ...container }, ...template };
  return parseServiceSpec({ Name: 'web', TaskTemplate, ...service }, maxVersion).spec;
}

/** The body of the container that the flag ends in. */
function createdBy(sent: Sent): object {
  const spec = specOf(sent);
  const ports = spec.EndpointSpec?.Ports ?? [];
  return containerConfig(
    {
      taskId: 'task1',
      serviceId: 'service1',
      serviceName: 'web',
      serviceLabels: {},
      slot: 2,
      nodeId: 'node1',
      desired: 'running',
      template: spec.TaskTemplate,
      hostPorts: ports.filter(({ PublishMode }) => PublishMode === 'host'),
      localNetworks: [],
    },
    node,
  );
}

const container = (spec: object): Sent => ({ container: spec });
const mounted = (mount: object): Sent => container({ Mounts: [mount] });
const privileged = (Privileges: object): Sent => container({ Privileges });
const host = (HostConfig: object): object => ({ HostConfig });
const asMounted = (mount: object): object => host({ Mounts: [mount] });
const bind = { Type: 'bind', Source: '/src', Target: '/dst' };
const volume = { Type: 'volume', Source: 'data', Target: '/dst' };
const tmpfs = { Type: 'tmpfs', Target: '/dst' };
const second = 1_000_000_000;

/** Flags of `docker service create` and `update` that a container shows, with the lists that updates edit. */
const shown: readonly (readonly [string, Sent, object])[] = [
  ['IMAGE', container({}), { Image: 'busybox:latest' }],
  ['ARG…, --args', container({ Args: ['sleep', '9'] }), { Cmd: ['sleep', '9'] }],
  [
    '--entrypoint',
    container({ Command: ['/run'], Args: ['-x'] }),
    { Entrypoint: ['/run'], Cmd: ['-x'] },
  ],
  ['--env, --env-file', container({ Env: ['A=b', 'C'] }), { Env: ['A=b', 'C'] }],
  ['--workdir', container({ Dir: '/w' }), { WorkingDir: '/w' }],
  ['--user', container({ User: '1:2' }), { User: '1:2' }],
  ['--group', container({ Groups: ['5', 'g'] }), host({ GroupAdd: ['5', 'g'] })],
  ['--hostname', container({ Hostname: '{{.Task.Slot}}.x' }), { Hostname: '2.x' }],
  ['--init', container({ Init: true }), host({ Init: true })],
  ['--init=false', container({ Init: false }), host({ Init: false })],
  ['--stop-signal', container({ StopSignal: 'SIGINT' }), { StopSignal: 'SIGINT' }],
  ['--stop-grace-period', container({ StopGracePeriod: 3 * second }), { StopTimeout: 3 }],
  ['--tty', container({ TTY: true }), { Tty: true }],
  ['stdin_open of a stack', container({ OpenStdin: true }), { OpenStdin: true }],
  ['--read-only', container({ ReadOnly: true }), host({ ReadonlyRootfs: true })],
  ['--container-label', container({ Labels: { k: 'v' } }), { Labels: { k: 'v' } }],
  ['--isolation', container({ Isolation: 'hyperv' }), host({ Isolation: 'hyperv' })],
  ['--dns', container({ DNSConfig: { Nameservers: ['8.8.8.8'] } }), host({ Dns: ['8.8.8.8'] })],
  ['--dns-search', container({ DNSConfig: { Search: ['a.b'] } }), host({ DnsSearch: ['a.b'] })],
  [
    '--dns-option',
    container({ DNSConfig: { Options: ['ndots:0'] } }),
    host({ DnsOptions: ['ndots:0'] }),
  ],
  ['--host', container({ Hosts: ['1.2.3.4 a'] }), host({ ExtraHosts: ['a:1.2.3.4'] })],
  ['--sysctl', container({ Sysctls: { a: '1' } }), host({ Sysctls: { a: '1' } })],
  [
    '--ulimit',
    container({ Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] }),
    host({ Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] }),
  ],
  ['--cap-add', container({ CapabilityAdd: ['CAP_X'] }), host({ CapAdd: ['CAP_X'] })],
  ['--cap-drop', container({ CapabilityDrop: ['ALL'] }), host({ CapDrop: ['ALL'] })],
  ['--oom-score-adj', container({ OomScoreAdj: -5 }), host({ OomScoreAdj: -5 })],
  [
    '--health-cmd, -interval, -timeout, -start-period, -start-interval, -retries',
    container({
      Healthcheck: {
        ...{ Test: ['CMD-SHELL', 'true'], Interval: second, Timeout: 2 * second, Retries: 3 },
        ...{ StartPeriod: 4 * second, StartInterval: 5 * second },
      },
    }),
    {
      Healthcheck: {
        ...{ Test: ['CMD-SHELL', 'true'], Interval: second, Timeout: 2 * second, Retries: 3 },
        ...{ StartPeriod: 4 * second, StartInterval: 5 * second },
      },
    },
  ],
  [
    '--no-healthcheck',
    container({ Healthcheck: { Test: ['NONE'] } }),
    { Healthcheck: { Test: ['NONE'] } },
  ],
  [
    '--limit-cpu, --limit-memory, --limit-pids',
    { template: { Resources: { Limits: { NanoCPUs: 5e8, MemoryBytes: 1e7, Pids: 9 } } } },
    host({ NanoCpus: 5e8, Memory: 1e7, PidsLimit: 9 }),
  ],
  [
    '--generic-resource',
    {
      template: {
        Resources: {
          Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }] },
        },
      },
    },
    { Env: ['DOCKER_RESOURCE_GPU=2'] },
  ],
  [
    '--log-driver, --log-opt',
    { template: { LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } } } },
    host({ LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } } }),
  ],
  [
    '--publish mode=host',
    {
      service: {
        EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }] },
      },
    },
    {
      ExposedPorts: { '80/tcp': {} },
      ...host({ PortBindings: { '80/tcp': [{ HostPort: '8080' }] } }),
    },
  ],
  ['--mount type=bind', mounted(bind), asMounted(bind)],
  ['--mount readonly', mounted({ ...bind, ReadOnly: true }), asMounted({ ReadOnly: true })],
  [
    '--mount consistency',
    mounted({ ...bind, Consistency: 'cached' }),
    asMounted({ Consistency: 'cached' }),
  ],
  [
    '--mount bind-propagation',
    mounted({ ...bind, BindOptions: { Propagation: 'rslave' } }),
    asMounted({ BindOptions: { Propagation: 'rslave' } }),
  ],
  [
    '--mount bind-nonrecursive',
    mounted({ ...bind, BindOptions: { NonRecursive: true } }),
    asMounted({ BindOptions: { Propagation: 'rprivate', NonRecursive: true } }),
  ],
  [
    '--mount bind-recursive=readonly',
    mounted({ ...bind, BindOptions: { ReadOnlyForceRecursive: true } }),
    asMounted({ BindOptions: { ReadOnlyForceRecursive: true } }),
  ],
  [
    '--mount bind-recursive=writable',
    mounted({ ...bind, BindOptions: { ReadOnlyNonRecursive: true } }),
    asMounted({ BindOptions: { ReadOnlyNonRecursive: true } }),
  ],
  ['--mount type=volume', mounted(volume), asMounted(volume)],
  [
    '--mount volume-nocopy, -label, -driver, -opt, -subpath',
    mounted({
      ...volume,
      VolumeOptions: {
        ...{ NoCopy: true, Labels: { a: 'b' }, Subpath: 's' },
        DriverConfig: { Name: 'nfs', Options: { o: 'p' } },
      },
    }),
    asMounted({
      VolumeOptions: {
        ...{ NoCopy: true, Labels: { a: 'b' }, Subpath: 's' },
        DriverConfig: { Name: 'nfs', Options: { o: 'p' } },
      },
    }),
  ],
  [
    '--mount tmpfs-size, tmpfs-mode',
    mounted({ ...tmpfs, TmpfsOptions: { SizeBytes: 1_024, Mode: 0o700 } }),
    asMounted({ ...tmpfs, TmpfsOptions: { SizeBytes: 1_024, Mode: 0o700 } }),
  ],
  [
    '--mount type=image, image-subpath',
    mounted({ Type: 'image', Source: 'a', Target: '/i', ImageOptions: { Subpath: 's' } }),
    asMounted({ Type: 'image', ImageOptions: { Subpath: 's' } }),
  ],
  ['--mount type=npipe', mounted({ ...bind, Type: 'npipe' }), asMounted({ Type: 'npipe' })],
  [
    '--credential-spec',
    privileged({ CredentialSpec: { File: 'a.json' } }),
    host({ SecurityOpt: ['credentialspec=file://a.json'] }),
  ],
  [
    'SELinux labels',
    privileged({ SELinuxContext: { User: 'u', Role: 'r', Type: 't', Level: 'l' } }),
    host({ SecurityOpt: ['label=user:u', 'label=role:r', 'label=type:t', 'label=level:l'] }),
  ],
  [
    'seccomp, AppArmor, no new privileges',
    privileged({
      Seccomp: { Mode: 'custom', Profile: Buffer.from('{}').toString('base64') },
      AppArmor: { Mode: 'disabled' },
      NoNewPrivileges: true,
    }),
    host({ SecurityOpt: ['seccomp={}', 'apparmor=unconfined', 'no-new-privileges=true'] }),
  ],
];

/** Flags of `docker run` that services have not, said by labels of the container. */
const labelled: readonly (readonly [label: string, value: string, HostConfig: object])[] = [
  ['privileged', 'true', { Privileged: true }],
  [
    'devices',
    '/dev/fuse,/dev/sda:/dev/a:r',
    {
      Devices: [
        { PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'rwm' },
        { PathOnHost: '/dev/sda', PathInContainer: '/dev/a', CgroupPermissions: 'r' },
      ],
    },
  ],
  ['device-cgroup-rules', 'c 13:* rmw', { DeviceCgroupRules: ['c 13:* rmw'] }],
  ['gpus', 'all', { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }],
  ['gpus', 'device=0', { DeviceRequests: [{ DeviceIDs: ['0'], Capabilities: [['gpu']] }] }],
  [
    'security-opt',
    'seccomp=unconfined,systempaths=unconfined',
    { SecurityOpt: ['seccomp=unconfined'], MaskedPaths: [], ReadonlyPaths: [] },
  ],
  ['shm-size', '1m', { ShmSize: 1_048_576 }],
  ['ipc', 'host', { IpcMode: 'host' }],
  ['pid', 'host', { PidMode: 'host' }],
  ['uts', 'host', { UTSMode: 'host' }],
  ['userns', 'host', { UsernsMode: 'host' }],
  ['cgroupns', 'host', { CgroupnsMode: 'host' }],
  ['cgroup-parent', '/fast', { CgroupParent: '/fast' }],
  ['runtime', 'runsc', { Runtime: 'runsc' }],
];

/** Flags that the swarm itself acts on: they are kept as they were sent. */
const kept: readonly (readonly [string, Sent])[] = [
  ['--label', { service: { Labels: { a: 'b' } } }],
  ['--mode global', { service: { Mode: { Global: {} } } }],
  ['--replicas', { service: { Mode: { Replicated: { Replicas: 3 } } } }],
  [
    '--mode replicated-job, --max-concurrent',
    { service: { Mode: { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 5 } } } },
  ],
  ['--endpoint-mode', { service: { EndpointSpec: { Mode: 'dnsrr' } } }],
  [
    '--publish',
    {
      service: {
        EndpointSpec: {
          Mode: 'vip',
          Ports: [
            {
              Name: 'n',
              Protocol: 'udp',
              TargetPort: 53,
              PublishedPort: 53,
              PublishMode: 'ingress',
            },
          ],
        },
      },
    },
  ],
  ...(['UpdateConfig', 'RollbackConfig'] as const).map(
    (part) =>
      [
        `--${part === 'UpdateConfig' ? 'update' : 'rollback'}-parallelism, -delay, -monitor, -failure-action, -max-failure-ratio, -order`,
        {
          service: {
            [part]: {
              ...{ Parallelism: 2, Delay: second, Monitor: 7, FailureAction: 'continue' },
              ...{ MaxFailureRatio: 0.5, Order: 'start-first' },
            },
          },
        },
      ] as const,
  ),
  [
    '--restart-condition, -delay, -max-attempts, -window',
    {
      template: {
        RestartPolicy: { Condition: 'on-failure', Delay: 1, MaxAttempts: 2, Window: 3 },
      },
    },
  ],
  [
    '--constraint, --placement-pref, --replicas-max-per-node, platforms of the image',
    {
      template: {
        Placement: {
          Constraints: ['node.role==worker'],
          Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
          MaxReplicas: 4,
          Platforms: [{ Architecture: 'amd64', OS: 'linux' }],
        },
      },
    },
  ],
  [
    '--reserve-cpu, --reserve-memory',
    { template: { Resources: { Reservations: { NanoCPUs: 1e8, MemoryBytes: 8e6 } } } },
  ],
  [
    '--network name=…,alias=…,driver-opt=…',
    { template: { Networks: [{ Target: 'n', Aliases: ['a'], DriverOpts: { k: 'v' } }] } },
  ],
  ['--force', { template: { ForceUpdate: 3 } }],
  [
    '--secret',
    container({
      Secrets: [
        { SecretID: 'i', SecretName: 's', File: { Name: 's', UID: '1', GID: '2', Mode: 0o400 } },
      ],
    }),
  ],
  [
    '--config',
    container({
      Configs: [
        { ConfigID: 'i', ConfigName: 's', File: { Name: '/s', UID: '1', GID: '2', Mode: 0o400 } },
      ],
    }),
  ],
];

describe('a flag of docker service create and update', () => {
  test.each(shown)('%s reaches the container', (_flag, sent, created) => {
    expect(createdBy(sent)).toMatchObject(created);
  });

  test.each(labelled)('or label shoal.%s=%s', (name, value, HostConfig) => {
    const Labels = { [`shoal.${name}`]: value };
    expect(createdBy(container({ Labels }))).toMatchObject({ Labels, HostConfig });
    expect(createdBy(container({}))).not.toMatchObject({ HostConfig });
  });

  test('and labels add to what Privileges say', () => {
    const Privileges = { NoNewPrivileges: true };
    const Labels = { 'shoal.security-opt': 'apparmor=mine' };
    expect(createdBy(container({ Labels, Privileges }))).toMatchObject(
      host({ SecurityOpt: ['no-new-privileges=true', 'apparmor=mine'] }),
    );
  });

  test.each(kept)('%s is kept for the swarm', (_flag, { container: spec, template, service }) => {
    const wanted = {
      ...service,
      TaskTemplate: { ...template, ...(spec === undefined ? {} : { ContainerSpec: spec }) },
    };
    expect(
      specOf({
        ...(spec && { container: spec }),
        ...(template && { template }),
        ...(service && { service }),
      }),
    ).toMatchObject(wanted);
  });

  test('a reservation is no limit of the container', () => {
    const Resources = { Reservations: { NanoCPUs: 1e8, MemoryBytes: 8e6 } };
    const { HostConfig } = createdBy({ template: { Resources } }) as { HostConfig: object };
    expect(Object.keys(HostConfig)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(?:Memory|NanoCpus)/)]),
    );
  });

  test.each([
    ['--mount type=x', mounted({ ...bind, Type: 'x' }), 'invalid MountType: "x"'],
    [
      '--mount bind-propagation=x',
      mounted({ ...bind, BindOptions: { Propagation: 'x' } }),
      'invalid MountPropagation: "x"',
    ],
    [
      '--credential-spec without a source',
      privileged({ CredentialSpec: {} }),
      'invalid CredentialSpec: must either provide "file", "registry", or "config" for credential spec',
    ],
    [
      '--credential-spec with two sources',
      privileged({ CredentialSpec: { Config: 'c', Registry: 'r' } }),
      'invalid CredentialSpec: cannot specify both "config" and "registry" credential specs',
    ],
    [
      '--credential-spec with three sources',
      privileged({ CredentialSpec: { Config: 'c', File: 'f', Registry: 'r' } }),
      'invalid CredentialSpec: cannot specify both "config", "file", and "registry" credential specs',
    ],
    [
      '--endpoint-mode x',
      { service: { EndpointSpec: { Mode: 'x' } } },
      'invalid resolution mode: "x"',
    ],
    [
      '--restart-condition x',
      { template: { RestartPolicy: { Condition: 'x' } } },
      'invalid RestartCondition: "x"',
    ],
    [
      '--update-order x',
      { service: { UpdateConfig: { Order: 'x' } } },
      'unrecognized update order x',
    ],
  ] as const)('%s is refused with a reason', (_flag, sent, message) => {
    expect(() => specOf(sent)).toThrow(message);
  });
});
