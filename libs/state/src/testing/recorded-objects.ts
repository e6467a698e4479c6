import type { Instant, LogIndex } from '@shoal/runtime';
import type { Meta, Node, PortConfig, ServiceSpec } from '../index.ts';

// Objects of the recorded entries, each as builds said it then. They stay as they are.

export const time = (ms: number): Instant => (1_760_000_000_000 + ms) as Instant;
export const index = (number: number): LogIndex => number as LogIndex;
/** A version that was read; the rest of what an object's writer says here is ignored. */
export const at = (version: number): Meta => ({
  version: index(version),
  createdAt: 0 as Instant,
  updatedAt: 0 as Instant,
});

export const manager: Node = {
  id: 'n1',
  meta: at(0),
  spec: { Name: 'first', Labels: { zone: 'a' }, Role: 'manager', Availability: 'active' },
  role: 'manager',
  description: {
    Hostname: 'host-1',
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: {
      NanoCPUs: 4e9,
      MemoryBytes: 2 ** 33,
      GenericResources: [
        { NamedResourceSpec: { Kind: 'gpu', Value: 'a' } },
        { DiscreteResourceSpec: { Kind: 'ssd', Value: 3 } },
      ],
    },
    Engine: {
      EngineVersion: '28.0.0',
      Labels: { rack: '7' },
      Plugins: [{ Type: 'Volume', Name: 'local' }],
    },
    Images: ['busybox:latest', 'sha256:00ff'],
    DataPathAddr: 'fd00::1',
    Encryption: { PublicKey: 'AAAA', Port: 51_820 },
    TLSInfo: { TrustRoot: 'PEM', CertIssuerSubject: 'AA==', CertIssuerPublicKey: 'AA==' },
  },
  status: { state: 'ready', message: 'up', addr: '10.0.0.1', dispatcher: 'dispatcher@n1/1' },
  manager: { raftId: 2 ** 53 - 59, addr: '10.0.0.1:2377' },
};

export function worker(id: string): Node {
  return {
    id,
    meta: at(0),
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
  };
}

/** As its agent describes it. */
export const n2: Node = {
  ...worker('n2'),
  meta: at(2),
  description: {
    Hostname: 'host-2',
    Platform: { Architecture: 'aarch64', OS: 'linux' },
    Resources: {
      ...{ NanoCPUs: 2e9, MemoryBytes: 2 ** 30 },
      GenericResources: [{ NamedResourceSpec: { Kind: 'gpu', Value: 'b' } }],
    },
    Engine: { EngineVersion: '28.0.0', Plugins: [] },
  },
  status: { state: 'ready', message: '', addr: '10.0.0.2', dispatcher: 'dispatcher@n1/1' },
};

export const clusterSpec = {
  Name: 'default',
  Labels: { for: 'tests' },
  Orchestration: { TaskHistoryRetentionLimit: 5 },
  Raft: {
    ...{ SnapshotInterval: 10_000, KeepOldSnapshots: 0, LogEntriesForSlowFollowers: 500 },
    ...{ ElectionTick: 10, HeartbeatTick: 1 },
  },
  Dispatcher: { HeartbeatPeriod: 5e9 },
  CAConfig: {
    NodeCertExpiry: 7.776e15,
    ExternalCAs: [{ Protocol: 'cfssl', URL: 'https://ca.example', CACert: 'PEM' }],
  },
  TaskDefaults: {},
  EncryptionConfig: { AutoLockManagers: true },
} as const;

export const cluster = {
  id: 'k1',
  meta: at(0),
  spec: clusterSpec,
  rootCa: { certificate: 'PEM', key: { sealed: 'ca' } },
  joinTokens: { worker: { sealed: 'w' }, manager: { sealed: 'm' } },
  unlockKey: { key: { sealed: 'u' }, version: 1 },
  networkKeys: {
    keys: [
      { key: { sealed: 'k2' }, time: 2 },
      { key: { sealed: 'k1' }, time: 1 },
    ],
    rotatedAt: time(5),
  },
  defaultAddressPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4_789,
} as const;

function networkSpec(Name: string, parts: object = {}) {
  return {
    ...{ Name, Labels: {}, Driver: 'overlay', Internal: false, Attachable: false },
    ...{ Ingress: false, Predefined: false },
    ...parts,
  };
}

export const ingress = { id: 'w0', meta: at(0), spec: networkSpec('ingress', { Ingress: true }) };

export const web = {
  id: 'w1',
  meta: at(0),
  spec: networkSpec('web', {
    ...{ Attachable: true, Scope: 'swarm', EnableIPv6: true },
    IPAM: {
      Driver: { Name: 'default' },
      Configs: [{ Subnet: '10.0.1.0/24', AuxAddresses: { spare: '10.0.1.200' } }],
    },
    DriverOptions: { encrypted: '' },
  }),
};

export const spare = {
  ...{ id: 'w2', meta: at(0), spec: networkSpec('spare') },
  problem: 'no block of the pools is free',
};

export function secret(id: string, Labels: Readonly<Record<string, string>>, version: number) {
  const spec = { Name: `secret-${id}`, Labels, Templating: { Name: 'golang' } };
  return { id, meta: at(version), spec, data: { sealed: `sealed-${id}` } };
}

export function config(id: string, Labels: Readonly<Record<string, string>>, version: number) {
  return { id, meta: at(version), spec: { Name: `config-${id}`, Labels }, data: 'Y29udGVudA==' };
}

export const allocation = {
  subnets: [
    { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 4_097 },
    { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', vni: 4_097 },
  ],
  at: time(3_000),
};

export const hostPort: PortConfig = {
  Protocol: 'udp',
  TargetPort: 53,
  PublishedPort: 5_353,
  PublishMode: 'host',
};

export const ports: readonly PortConfig[] = [
  { Name: 'http', Protocol: 'tcp', TargetPort: 80, PublishedPort: 8_080, PublishMode: 'ingress' },
  hostPort,
];

const file = { Name: 'it', UID: '0', GID: '0', Mode: 0o444 };

export const webSpec: ServiceSpec = {
  Name: 'web',
  Labels: { tier: 'front' },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'nginx:1',
      Command: ['nginx'],
      Env: ['A=1'],
      Mounts: [{ Type: 'volume', Source: 'data', Target: '/data' }],
      StopGracePeriod: 1e10,
      Healthcheck: { Test: ['CMD', 'true'], Interval: 1e9, Retries: 3 },
      Secrets: [{ SecretID: 'x1', SecretName: 'secret-x1', File: file }],
      Configs: [{ ConfigID: 'f1', ConfigName: 'config-f1', File: file }],
    },
    Resources: {
      Limits: { MemoryBytes: 2 ** 28, Pids: 100 },
      Reservations: {
        ...{ NanoCPUs: 5e8, MemoryBytes: 2 ** 27 },
        GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }],
      },
    },
    RestartPolicy: { Condition: 'on-failure', Delay: 5e9, MaxAttempts: 3 },
    Placement: {
      Constraints: ['node.role==worker'],
      Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }],
      MaxReplicas: 1,
    },
    Networks: [{ Target: 'w1', Aliases: ['www'] }],
    ForceUpdate: 0,
  },
  Mode: { Replicated: { Replicas: 5 } },
  UpdateConfig: { Parallelism: 1, FailureAction: 'rollback', Order: 'start-first' },
  EndpointSpec: { Mode: 'vip', Ports: ports },
};

export const jobSpec: ServiceSpec = {
  Name: 'job',
  Labels: {},
  TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 2 },
  Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 2 } },
};

export const unallocated = { revision: 0, ports: [], virtualIps: [] };
