import {
  type Cluster,
  type Node,
  newMeta,
  type Service,
  type ServiceSpec,
  type TaskTemplate,
} from '@shoal/state';

export const second = 1_000;
/** Docker's durations are nanoseconds. */
export const nanoseconds = 1_000_000;

export function aNode(id: string, change: Partial<Node> = {}): Node {
  return {
    id,
    meta: newMeta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: id,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 8e9, MemoryBytes: 16e9 },
      Engine: { EngineVersion: '28.2.2', Plugins: [] },
    },
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' },
    ...change,
  };
}

export function aCluster(historyLimit: number): Cluster {
  return {
    id: 'cluster',
    meta: newMeta,
    spec: {
      Name: 'default',
      Labels: {},
      Orchestration: { TaskHistoryRetentionLimit: historyLimit },
      Raft: {
        SnapshotInterval: 10_000,
        KeepOldSnapshots: 0,
        LogEntriesForSlowFollowers: 500,
        ElectionTick: 10,
        HeartbeatTick: 1,
      },
      Dispatcher: { HeartbeatPeriod: 5e9 },
      CAConfig: { NodeCertExpiry: 7_776e12 },
      TaskDefaults: {},
      EncryptionConfig: { AutoLockManagers: false },
    },
    rootCa: { certificate: '', key: { sealed: '' } },
    joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
    defaultAddressPool: ['10.0.0.0/8'],
    subnetSize: 24,
    dataPathPort: 4789,
  };
}

export interface SpecParts {
  readonly replicas?: number;
  readonly global?: boolean;
  readonly image?: string;
  readonly template?: Partial<TaskTemplate>;
  readonly spec?: Partial<ServiceSpec>;
}

export function aSpec(name: string, parts: SpecParts = {}): ServiceSpec {
  const { replicas = 1, global = false, image = 'busybox', template, spec } = parts;
  return {
    Name: name,
    Labels: {},
    TaskTemplate: { ContainerSpec: { Image: image }, ForceUpdate: 0, ...template },
    Mode: global ? { Global: {} } : { Replicated: { Replicas: replicas } },
    ...spec,
  };
}

export function aService(id: string, spec: ServiceSpec): Service {
  return {
    id,
    meta: newMeta,
    name: spec.Name,
    revision: 1,
    endpoint: { revision: 0, ports: [], virtualIps: [] },
  };
}
