import { describe, expect, test } from 'vitest';
import { ApiError } from '../errors.ts';
import { maxVersion } from '../version.ts';
import { parseServiceSpec } from './parse.ts';
import { type Surroundings, validateServiceSpec } from './validate.ts';

const documentName = (_kind: string, id: string): string | undefined =>
  id.startsWith('id-of-') ? id.slice('id-of-'.length) : undefined;
const free: Surroundings = { documentName, ingress: undefined, published: [] };
const invalid = 'rpc error: code = InvalidArgument desc = ';

type Body = Record<string, unknown>;

function body(task: Body = {}, container: Body = {}, rest: Body = {}): Body {
  return {
    Name: 'web',
    TaskTemplate: { ContainerSpec: { Image: 'busybox', ...container }, ...task },
    ...rest,
  };
}

function errorOf(
  given: unknown,
  surroundings = free,
): { status: number; message: string } | undefined {
  try {
    validateServiceSpec(parseServiceSpec(given, maxVersion), surroundings);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { status: error.status, message: error.message };
  }
}

const host = { PublishMode: 'host' };
const taken: Surroundings = {
  documentName,
  ingress: { id: 'ingress0', name: 'ingress' },
  published: [
    {
      serviceId: 'pub0',
      name: 'pub',
      ports: [
        { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' },
        { Protocol: 'tcp', TargetPort: 81, PublishedPort: 8081, PublishMode: 'host' },
      ],
    },
  ],
};
const ports = (...list: Body[]): Body => ({ EndpointSpec: { Ports: list } });

describe('what the daemon refuses', () => {
  test.each<[string, unknown, number, string]>([
    ['no container', {}, 400, 'mismatched Runtime and *Spec fields'],
    ['null template', { TaskTemplate: null }, 400, 'mismatched Runtime and *Spec fields'],
    ['attachment', body({ Runtime: 'attachment' }), 400, 'unsupported runtime'],
    [
      'plugin',
      body({ Runtime: 'plugin', PluginSpec: {} }),
      500,
      'runtime type "plugin" only supported in experimental',
    ],
    [
      'endpoint mode',
      body({}, {}, { EndpointSpec: { Mode: 'foo' } }),
      400,
      'invalid resolution mode: "foo"',
    ],
    [
      'endpoint mode in capitals',
      body({}, {}, { EndpointSpec: { Mode: 'VIP' } }),
      400,
      'invalid resolution mode: "VIP"',
    ],
    [
      'restart',
      body({ RestartPolicy: { Condition: 'sometimes' } }),
      400,
      'invalid RestartCondition: "sometimes"',
    ],
    [
      'action',
      body({}, {}, { UpdateConfig: { FailureAction: 'explode' } }),
      400,
      'unrecognized update failure action explode',
    ],
    [
      'order',
      body({}, {}, { UpdateConfig: { Order: 'sideways' } }),
      400,
      'unrecognized update order sideways',
    ],
    [
      'modes',
      body({}, {}, { Mode: { Replicated: {}, Global: {} } }),
      400,
      'must specify only one service mode',
    ],
    [
      'mount type',
      body({}, { Mounts: [{ Type: 'x', Target: '/a' }] }),
      400,
      'invalid MountType: "x"',
    ],
    [
      'propagation',
      body({}, { Mounts: [{ Type: 'bind', Target: '/a', BindOptions: { Propagation: 'x' } }] }),
      400,
      'invalid MountPropagation: "x"',
    ],
    [
      'config without target',
      body({}, { Configs: [{ ConfigID: 'a', ConfigName: 'b' }] }),
      400,
      'invalid Config: either File or Runtime should be set',
    ],
    [
      'config with both',
      body({}, { Configs: [{ File: {}, Runtime: {} }] }),
      400,
      'invalid Config: cannot specify both File and Runtime',
    ],
    [
      'negative replicas',
      body({}, {}, { Mode: { Replicated: { Replicas: -1 } } }),
      400,
      'invalid JSON: json: cannot unmarshal number -1 into Go struct field ServiceSpec.Mode.Replicated.Replicas of type uint64',
    ],
    [
      'text for a number',
      body({ ForceUpdate: 'x' }),
      400,
      'invalid JSON: json: cannot unmarshal string into Go struct field ServiceSpec.TaskTemplate.ForceUpdate of type int64',
    ],
    [
      'a number for a text',
      body({}, { Image: 5 }),
      400,
      'invalid JSON: json: cannot unmarshal number into Go struct field ServiceSpec.TaskTemplate.ContainerSpec.Image of type string',
    ],
    [
      'a list for a map',
      body({}, {}, { Labels: [] }),
      400,
      'invalid JSON: json: cannot unmarshal array into Go struct field ServiceSpec.Labels of type map[string]string',
    ],
    ['null for a body', null, 400, 'mismatched Runtime and *Spec fields'],
    [
      'a list for a body',
      [],
      400,
      'invalid JSON: json: cannot unmarshal array into Go value of type ServiceSpec',
    ],
  ])('%s', (_what, given, status, message) => {
    expect(errorOf(given)).toEqual({ status, message });
  });
});

describe('what the cluster store refuses', () => {
  test.each<[string, unknown, string]>([
    ['no name', body({}, {}, { Name: '' }), 'meta: name must be provided'],
    ['a space', body({}, {}, { Name: 'bad name' }), 'name must be valid as a DNS name component'],
    ['a dot', body({}, {}, { Name: 'a.b' }), 'name must be valid as a DNS name component'],
    ['a long name', body({}, {}, { Name: 'a'.repeat(64) }), 'name must be 63 characters or fewer'],
    [
      'cpu',
      body({ Resources: { Limits: { NanoCPUs: 100_000 } } }),
      'invalid cpu value 0.0001: Must be at least 0.001',
    ],
    [
      'a tiny cpu',
      body({ Resources: { Reservations: { NanoCPUs: 10 } } }),
      'invalid cpu value 1e-08: Must be at least 0.001',
    ],
    [
      'a generic resource of no kind',
      body({ Resources: { Reservations: { GenericResources: [{ DiscreteResourceSpec: {} }] } } }),
      'GenericResources: Kind must be provided',
    ],
    [
      'a generic resource that is nothing',
      body({ Resources: { Reservations: { GenericResources: [null] } } }),
      'GenericResources: either NamedResourceSpec or DiscreteResourceSpec must be provided',
    ],
    [
      'less than none of a generic resource',
      body({
        Resources: {
          Reservations: {
            GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: -1 } }],
          },
        },
      }),
      'GenericResources: gpu cannot be negative: -1',
    ],
    [
      'a published port that is none',
      body({}, {}, ports({ TargetPort: 80, PublishedPort: 70_000 })),
      'EndpointSpec: port 70000 is above 65535, the last there is',
    ],
    [
      'a target port that is none',
      body({}, {}, ports({ TargetPort: 65_536 })),
      'EndpointSpec: port 65536 is above 65535, the last there is',
    ],
    [
      'memory',
      body({ Resources: { Reservations: { MemoryBytes: 1024 } } }),
      'invalid memory value 1024: Must be at least 4MiB',
    ],
    ['delay', body({ RestartPolicy: { Delay: -1 } }), 'TaskSpec: restart-delay cannot be negative'],
    [
      'window',
      body({ RestartPolicy: { Window: -1 } }),
      'TaskSpec: restart-window cannot be negative',
    ],
    ['no image', body({}, { Image: '' }), 'ContainerSpec: image reference must be provided'],
    [
      'image with a space',
      body({}, { Image: 'BAD IMAGE' }),
      'ContainerSpec: "BAD IMAGE" is not a valid repository/tag',
    ],
    [
      'upper case',
      body({}, { Image: 'BusyBox' }),
      'ContainerSpec: "BusyBox" is not a valid repository/tag',
    ],
    [
      'mount twice',
      body(
        {},
        {
          Mounts: [
            { Type: 'volume', Target: '/a' },
            { Type: 'tmpfs', Target: '/a' },
          ],
        },
      ),
      'ContainerSpec: duplicate mount point: /a',
    ],
    [
      'health interval',
      body({}, { Healthcheck: { Interval: 1 } }),
      'ContainerSpec: Interval in HealthConfig cannot be less than 1ms',
    ],
    [
      'health timeout',
      body({}, { Healthcheck: { Timeout: 1 } }),
      'ContainerSpec: Timeout in HealthConfig cannot be less than 1ms',
    ],
    [
      'health start',
      body({}, { Healthcheck: { StartPeriod: 1 } }),
      'ContainerSpec: StartPeriod in HealthConfig cannot be less than 1ms',
    ],
    [
      'health retries',
      body({}, { Healthcheck: { Retries: -1 } }),
      'ContainerSpec: Retries in HealthConfig cannot be negative',
    ],
    [
      'template',
      body({}, { Hostname: '{{.Nope}}' }),
      `expanding hostname failed: template: expansion:1:2: executing "expansion" at <.Nope>: can't evaluate field Nope in type *template.Context`,
    ],
    [
      'template in the environment',
      body({}, { Env: ['A={{.Task.Nope}}'] }),
      `expanding env failed: expanding env "A={{.Task.Nope}}": template: expansion:1:7: executing "expansion" at <.Task.Nope>: can't evaluate field Nope in type struct { ID string; Name string; Slot string }`,
    ],
    [
      'template in a mount',
      body({}, { Mounts: [{ Type: 'volume', Source: 'data-{{.Slot', Target: '/data' }] }),
      `expanding mounts failed: expanding mount source "data-{{.Slot": template: expansion:1: unclosed action`,
    ],
    [
      'label that the service does not have',
      body({}, { Hostname: '{{.Service.Labels.none}}' }),
      `expanding hostname failed: template: expansion:1:10: executing "expansion" at <.Service.Labels.none>: map has no entry for key "none"`,
    ],
    [
      'job update',
      body({}, {}, { Mode: { GlobalJob: {} }, UpdateConfig: {} }),
      'Jobs may not have an update config',
    ],
    [
      'update delay',
      body({}, {}, { UpdateConfig: { Delay: -1 } }),
      'TaskSpec: update-delay cannot be negative',
    ],
    [
      'rollback monitor',
      body({}, {}, { RollbackConfig: { Monitor: -1 } }),
      'TaskSpec: rollback-monitor cannot be negative',
    ],
    [
      'ratio',
      body({}, {}, { UpdateConfig: { MaxFailureRatio: 2 } }),
      'TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1',
    ],
    [
      'dnsrr',
      body(
        {},
        {},
        { EndpointSpec: { Mode: 'dnsrr', Ports: [{ TargetPort: 80, PublishedPort: 80 }] } },
      ),
      "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
    ],
    [
      'port twice',
      body(
        {},
        {},
        ports(
          { ...host, TargetPort: 80, PublishedPort: 80 },
          { ...host, TargetPort: 81, PublishedPort: 80 },
        ),
      ),
      'EndpointSpec: duplicate published ports provided',
    ],
    [
      'secret',
      body({}, { Secrets: [{ SecretID: 'nope', SecretName: 'nope', File: { Name: 'nope' } }] }),
      'secret not found: nope',
    ],
    [
      'secrets',
      body(
        {},
        {
          Secrets: [
            { SecretID: 'a', SecretName: 'a', File: { Name: 'a' } },
            { SecretID: 'b', SecretName: 'b', File: { Name: 'b' } },
          ],
        },
      ),
      'secrets not found: a, b',
    ],
    ['half a secret', body({}, { Secrets: [{ SecretName: 'a' }] }), 'malformed secret reference'],
    [
      'a secret that is to be nothing',
      body({}, { Secrets: [{ SecretID: 'id-of-a', SecretName: 'a' }] }),
      'malformed secret reference, no target provided',
    ],
    [
      'a secret in a file without a name',
      body({}, { Secrets: [{ SecretID: 'id-of-a', SecretName: 'a', File: {} }] }),
      'malformed file secret reference, invalid target file name provided',
    ],
    [
      'two secrets in one file',
      body(
        {},
        {
          Secrets: ['a', 'b'].map((name) => ({
            SecretID: `id-of-${name}`,
            SecretName: name,
            File: { Name: 'x' },
          })),
        },
      ),
      "secret references 'a' and 'b' have a conflicting target: 'x'",
    ],
    [
      'a secret of another name',
      body({}, { Secrets: [{ SecretID: 'id-of-a', SecretName: 'b', File: { Name: 'x' } }] }),
      'secret not found: b',
    ],
    [
      'a credential spec from a config that is not given',
      body({}, { Privileges: { CredentialSpec: { Config: 'c' } } }),
      "CredentialSpec references config 'c', but that config isn't in config references with RuntimeTarget",
    ],
  ])('%s', (_what, given, message) => {
    expect(errorOf(given)).toEqual({ status: 400, message: invalid + message });
  });

  test('constraints keep the code Unknown, so they are 500', () => {
    const constrained = (text: string) => errorOf(body({ Placement: { Constraints: [text] } }));
    expect(constrained('node.role')).toEqual({
      status: 500,
      message: 'rpc error: code = Unknown desc = constraint expected one operator from ==, !=',
    });
    expect(constrained('no de==x')?.message).toBe(
      "rpc error: code = Unknown desc = key 'no de' is invalid",
    );
    expect(constrained('unknown.key==x')).toBeUndefined();
  });

  test('a volume of the cluster, which nobody provides', () => {
    const mounted = (Type: string) =>
      errorOf(body({}, { Mounts: [{ Type, Source: 'v', Target: '/a' }] }));
    expect(mounted('cluster')).toEqual({
      status: 501,
      message:
        'mount /a: cluster volumes are not supported: there are no CSI plugins; use type=volume, with a volume driver of the nodes',
    });
    expect(mounted('volume')).toBeUndefined();
  });

  test('ports that others publish', () => {
    const publish = (port: Body) => errorOf(body({}, {}, ports(port)), taken)?.message;
    const wanted = { TargetPort: 1, PublishedPort: 8080 };
    const used = "port '8080' is already in use by service 'pub' (pub0) as an ingress port";
    expect(publish(wanted)).toBe(invalid + used);
    expect(publish({ ...wanted, ...host })).toBe(invalid + used);
    expect(publish({ TargetPort: 1, PublishedPort: 8081 })).toBe(
      `${invalid}port '8081' is already in use by service 'pub' (pub0) as a host-published port`,
    );
    expect(publish({ TargetPort: 1, PublishedPort: 8081, ...host })).toBeUndefined();
    expect(publish({ ...wanted, Protocol: 'udp' })).toBeUndefined();
  });

  test('an ingress port needs the ingress network, a host port does not', () => {
    const ingress = body({}, {}, ports({ TargetPort: 80, PublishedPort: 80 }));
    expect(errorOf(ingress)).toEqual({
      status: 400,
      message:
        'rpc error: code = FailedPrecondition desc = service needs ingress network, but no ingress network is present',
    });
    expect(errorOf(body({}, {}, ports({ ...host, TargetPort: 80 })))).toBeUndefined();
    const attached = body({ Networks: [{ Target: 'ingress0' }] });
    expect(errorOf(attached, taken)?.message).toBe(
      `${invalid}Service cannot be explicitly attached to the ingress network "ingress"`,
    );
  });
});

describe('what is filled in', () => {
  const specOf = (given: unknown, version = maxVersion) =>
    JSON.parse(JSON.stringify(parseServiceSpec(given, version).spec)) as Record<string, unknown>;

  test('a minimal spec gets one replica and nothing else', () => {
    expect(specOf(body())).toEqual({
      Name: 'web',
      Labels: {},
      TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 },
      Mode: { Replicated: { Replicas: 1 } },
    });
  });

  test.each([
    [{ ReplicatedJob: {} }, { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } }],
    [
      { ReplicatedJob: { MaxConcurrent: 3 } },
      { ReplicatedJob: { MaxConcurrent: 3, TotalCompletions: 3 } },
    ],
    [{ Replicated: { Replicas: 0 } }, { Replicated: { Replicas: 0 } }],
    [{ Global: {} }, { Global: {} }],
    [null, { Replicated: { Replicas: 1 } }],
  ])('mode %j', (given, kept) => {
    expect(specOf(body({}, {}, { Mode: given }))['Mode']).toEqual(kept);
  });

  test('nulls and unknown members vanish, pointers to zero stay', () => {
    const spec = specOf(
      body(
        { Unknown: 1, Networks: null },
        { Env: null, Labels: null, Init: false, StopGracePeriod: 0, TTY: false, DNSConfig: {} },
      ),
    );
    expect(spec['TaskTemplate']).toEqual({
      ContainerSpec: { Image: 'busybox', Init: false, StopGracePeriod: 0, DNSConfig: {} },
      ForceUpdate: 0,
    });
  });

  test('a config for the engine itself came with 1.40', () => {
    const configs = (minor: number, targets: Body) => {
      const Configs = [{ ConfigID: 'c', ConfigName: 'n', ...targets }];
      return JSON.stringify(specOf(body({}, { Configs }), { major: 1, minor }));
    };
    const File = { Name: 'f', UID: '0', GID: '0', Mode: 292 };
    expect(configs(40, { Runtime: {} })).toContain('Runtime');
    expect(() => configs(40, { Runtime: {}, File })).toThrow(
      'cannot specify both File and Runtime',
    );
    expect(configs(39, { Runtime: {}, File })).not.toContain('Runtime');
    expect(() => configs(39, { Runtime: {} })).toThrow('either File or Runtime should be set');
  });

  test('older versions lose what they cannot know', () => {
    const given = body(
      { Placement: { MaxReplicas: 2 }, Resources: { Limits: { Pids: 3 } } },
      { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }], OomScoreAdj: 5, Sysctls: { a: 'b' } },
      { Mode: { ReplicatedJob: {} } },
    );
    const at = (minor: number) => JSON.stringify(specOf(given, { major: 1, minor }));
    expect(at(45)).not.toContain('OomScoreAdj');
    expect(at(45)).toContain('Ulimits');
    expect(at(40)).not.toMatch(/Ulimits|Pids|ReplicatedJob/);
    expect(at(40)).toContain('MaxReplicas');
    expect(at(39)).not.toMatch(/MaxReplicas|Sysctls/);
  });
});
