import type { Instant } from '@shoal/runtime';
import { type Cluster, type Node, newMeta } from '@shoal/state';

export const epoch = Date.UTC(2026, 0, 1) as Instant;
export function nodeOf(id: string, Labels: Node['spec']['Labels']): Node {
  return {
    id,
    meta: newMeta,
    spec: { Labels, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
  };
}

export const cluster: Cluster = {
  id: 'simulated',
  meta: newMeta,
  spec: {
    Name: 'default',
    Labels: {},
    Orchestration: { TaskHistoryRetentionLimit: 2 },
    Raft: {
      SnapshotInterval: 10_000,
      KeepOldSnapshots: 0,
      LogEntriesForSlowFollowers: 500,
      ElectionTick: 10,
      HeartbeatTick: 1,
    },
    Dispatcher: { HeartbeatPeriod: 1_000_000_000 },
    CAConfig: { NodeCertExpiry: 7_776_000_000_000_000 },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: false },
  },
  rootCa: { certificate: '', key: { sealed: '' } },
  joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
  defaultAddressPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4789,
};
