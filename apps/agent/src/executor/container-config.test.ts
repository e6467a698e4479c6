import type { NodeDescription, TaskAssignment } from '@shoal/state';
import { expect, test } from 'vitest';
import { containerConfig } from './container-config.ts';
import type { ContainerNetworkPlan } from './container-networks.ts';
import { TemplateError } from './template.ts';

const node: NodeDescription = {
  Hostname: 'host-1',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '20.10.24', Plugins: [] },
};

function assignment(
  spec: Partial<TaskAssignment['template']['ContainerSpec']>,
  more: Partial<TaskAssignment> = {},
): TaskAssignment {
  return {
    taskId: 'task1',
    serviceId: 'service1',
    serviceName: 'web',
    serviceLabels: { tier: 'front', 'a.b': 'dotted' },
    slot: 2,
    nodeId: 'node1',
    desired: 'running',
    template: { ContainerSpec: { Image: 'busybox', ...spec }, ForceUpdate: 0 },
    hostPorts: [],
    localNetworks: [],
    ...more,
  };
}

test('arguments go to Cmd, a command to Entrypoint, and user labels cannot hide ours', () => {
  const labels = { mine: '1', 'com.docker.swarm.task.id': 'lie' };
  const config = containerConfig(
    assignment({ Command: ['run'], Args: ['-x'], Labels: labels, Hosts: ['10.0.0.1 a b'] }),
    node,
  );
  expect(config).toMatchObject({
    Entrypoint: ['run'],
    Cmd: ['-x'],
    Labels: {
      mine: '1',
      'com.docker.swarm.task.id': 'task1',
      'com.docker.swarm.task.name': 'web.2.task1',
    },
    StopTimeout: 10,
    HostConfig: {
      RestartPolicy: { Name: 'no' },
      NetworkMode: 'default',
      ExtraHosts: ['a:10.0.0.1', 'b:10.0.0.1'],
    },
  });
});

test('resources, ports and networks', () => {
  const template = {
    ContainerSpec: { Image: 'i', StopGracePeriod: 1_500_000_000, CapabilityAdd: ['CAP_NET_RAW'] },
    Resources: {
      Limits: { NanoCPUs: 500_000_000, MemoryBytes: 1_000, Pids: 7 },
      Reservations: {
        MemoryBytes: 10,
        GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }],
      },
    },
    LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } },
    ForceUpdate: 0,
  };
  const hostPorts = [
    { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
    { Protocol: 'udp', TargetPort: 53, PublishMode: 'host' },
  ] as const;
  const config = containerConfig(
    assignment({}, { template, hostPorts, localNetworks: ['host'] }),
    node,
  );
  expect(config).toMatchObject({
    Env: ['DOCKER_RESOURCE_GPU=2'],
    StopTimeout: 2,
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    HostConfig: {
      NetworkMode: 'host',
      PortBindings: { '80/tcp': [{ HostPort: '8080' }], '53/udp': [{ HostPort: '' }] },
      NanoCpus: 500_000_000,
      Memory: 1_000,
      PidsLimit: 7,
      CapAdd: ['CAP_NET_RAW'],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    },
  });
});

test.each([
  ['{{.Service.Name}}-{{.Task.Slot}}', 'web-2'],
  ['{{ .Node.Hostname }}/{{.Node.Platform.OS}}', 'host-1/linux'],
  ['{{.Service.Labels.tier}}', 'front'],
  ['{{index .Service.Labels "a.b"}}', 'dotted'],
  ['{{index .Service.Labels "none"}}', ''],
  ['{{.Task.Name}} {{.Task.ID}}', 'web.2.task1 task1'],
  ['plain } {', 'plain } {'],
])('%s becomes %s', (text, expected) => {
  expect(containerConfig(assignment({ Hostname: text, Env: [`A=${text}`] }), node)).toMatchObject({
    Hostname: expected,
    Env: [`A=${expected}`],
  });
});

test('the slot of a global task is its node', () => {
  const config = containerConfig(assignment({ Hostname: '{{.Task.Slot}}' }, { slot: 0 }), node);
  expect(config).toMatchObject({ Hostname: 'node1' });
});

test.each(['{{.Nothing}}', '{{.Service.Labels.none}}', '{{env "x"}}'])('%s is refused', (text) => {
  expect(() => containerConfig(assignment({ Env: [`A=${text}`] }), node)).toThrow(TemplateError);
});

test('mounts keep their options, with templates expanded', () => {
  const mount = {
    Type: 'volume',
    Source: 'data-{{.Task.Slot}}',
    Target: '/data',
    VolumeOptions: { Labels: { of: '{{.Service.Name}}' }, NoCopy: true },
  } as const;
  expect(containerConfig(assignment({ Mounts: [mount] }), node)).toMatchObject({
    HostConfig: {
      Mounts: [
        {
          Type: 'volume',
          Source: 'data-2',
          VolumeOptions: { Labels: { of: 'web' }, NoCopy: true },
        },
      ],
    },
  });
});

test.each([
  {
    rule: 'discrete ones by number',
    given: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }],
    env: ['DOCKER_RESOURCE_GPU=2'],
  },
  {
    rule: 'named ones by their names',
    given: [
      { NamedResourceSpec: { Kind: 'gpu', Value: 'UUID1' } },
      { NamedResourceSpec: { Kind: 'gpu', Value: 'UUID2' } },
      { NamedResourceSpec: { Kind: 'fpga', Value: 'f1' } },
    ],
    env: ['DOCKER_RESOURCE_GPU=UUID1,UUID2', 'DOCKER_RESOURCE_FPGA=f1'],
  },
])('generic resources reach the container: $rule', ({ given, env }) => {
  const config = containerConfig(assignment({}, { genericResources: given }), node);
  expect(config).toMatchObject({ Env: env });
});

test.each([
  { rule: 'no ndots', given: { Search: ['a.test'] }, options: ['edns0'], search: ['a.test'] },
  { rule: 'no ndots and no list', given: {}, options: ['edns0'], search: undefined },
  {
    rule: 'the user’s ndots and list',
    given: { Options: ['ndots:2'], Search: ['a.test'] },
    options: [],
    search: ['a.test', 'shoal.internal'],
  },
  {
    rule: 'the user’s ndots, the host’s list',
    given: { Options: ['ndots:1'] },
    options: [],
    search: ['host.test', 'shoal.internal'],
  },
  {
    rule: 'ndots of nothing',
    given: { Options: ['ndots:0'] },
    options: [],
    search: ['host.test', 'shoal.internal'],
  },
  {
    rule: 'the host’s ndots',
    given: {},
    options: ['edns0', 'ndots:1'],
    search: ['host.test', 'shoal.internal'],
  },
  {
    rule: 'the user’s options, in the place of the host’s ndots',
    given: { Options: ['rotate'] },
    options: ['ndots:1'],
    search: undefined,
  },
])('domains that are searched in overlay networks: $rule', ({ given, options, search }) => {
  const plan: ContainerNetworkPlan = {
    networks: [{ name: 'demo', addresses: ['10.0.1.8'], driverOptions: {} }],
    nameservers: ['10.0.1.1'],
    hostDefaults: { search: ['host.test'], options },
  };
  const config = containerConfig(assignment({ DNSConfig: given }), node, plan);
  if (search === undefined) expect(config).not.toHaveProperty('HostConfig.DnsSearch');
  else expect(config).toMatchObject({ HostConfig: { DnsSearch: search } });
});
