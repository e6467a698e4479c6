import type { Instant, LogIndex } from '@shoal/runtime';
import { type Change, type Cluster, type Meta, type Node, State } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { clusterDefaults } from '../requests/swarm.ts';
import { infoSwarmShape, type LocalSwarm, pingSwarmHeader, twoManagersWarning } from './swarm.ts';

const blank = { version: 0, createdAt: 0, updatedAt: 0 } as Meta;

const place = {
  nodeId: 'n1',
  addr: '10.0.0.1',
  managers: [{ nodeId: 'n2', addr: '10.0.0.2:2377' }],
  error: '',
};
const head = {
  NodeID: 'n1',
  NodeAddr: '10.0.0.1',
  RemoteManagers: [{ NodeID: 'n2', Addr: '10.0.0.2:2377' }],
};

const standings: readonly (readonly [LocalSwarm, string, object])[] = [
  [
    { kind: 'inactive' },
    'inactive',
    { LocalNodeState: 'inactive', ControlAvailable: false, Error: '', RemoteManagers: null },
  ],
  [
    { kind: 'error', message: 'the log is damaged' },
    'error',
    { LocalNodeState: 'error', ControlAvailable: false, Error: 'the log is damaged' },
  ],
  [
    { kind: 'locked' },
    'locked',
    {
      NodeID: '',
      LocalNodeState: 'locked',
      Error:
        'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.',
    },
  ],
  [
    { kind: 'pending', ...place },
    'pending',
    { ...head, LocalNodeState: 'pending', ControlAvailable: false },
  ],
  [
    { kind: 'worker', ...place, error: 'its clock is wrong' },
    'active/worker',
    { ...head, LocalNodeState: 'active', ControlAvailable: false, Error: 'its clock is wrong' },
  ],
  [
    { kind: 'manager', ...place, tls: undefined, view: undefined },
    'active/manager',
    { ...head, LocalNodeState: 'active', ControlAvailable: true },
  ],
];

describe('where a host stands', () => {
  test.each(standings)('%j', (local, header, info) => {
    expect(pingSwarmHeader(local.kind)).toBe(header);
    expect(infoSwarmShape(local)).toMatchObject(info);
  });
});

test('two managers are warned of', () => {
  const state = new State();
  const node = (id: string): Node => ({
    id,
    meta: blank,
    spec: { Labels: {}, Role: 'manager', Availability: 'active' },
    role: 'manager',
    status: { state: 'ready', message: '', addr: '', dispatcher: '' },
  });
  const cluster: Cluster = {
    id: 'c',
    meta: blank,
    spec: clusterDefaults,
    rootCa: { certificate: '' },
    joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4_789,
  };
  const tls = { TrustRoot: 't', CertIssuerSubject: 's', CertIssuerPublicKey: 'k' };
  const info = () => infoSwarmShape({ kind: 'manager', ...place, tls, view: state.view });
  const add = (index: number, change: Change): void => {
    state.applyTransactions(index as LogIndex, 0 as Instant, [
      {
        id: `t${index}`,
        actor: { kind: 'system', name: 'test' },
        reason: 'a test',
        decidedAt: 0 as LogIndex,
        changes: [change],
      },
    ]);
  };
  add(1, { op: 'create', table: 'cluster', object: cluster });
  add(2, { op: 'create', table: 'node', object: node('n1') });
  expect(info()).toMatchObject({ Nodes: 1, Managers: 1, Cluster: { ID: 'c', TLSInfo: tls } });
  expect(info().Warnings).toBeUndefined();
  add(3, { op: 'create', table: 'node', object: node('n2') });
  expect(info()).toMatchObject({ Nodes: 2, Managers: 2, Warnings: [twoManagersWarning] });
});
