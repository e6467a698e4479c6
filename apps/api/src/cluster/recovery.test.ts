import { clusterDefaults } from '@shoal/docker-api';
import type { Instant, LogIndex } from '@shoal/runtime';
import { type Change, type Cluster, type Node, newMeta, State } from '@shoal/state';
import { expect, test } from 'vitest';
import { recoveryChanges } from './recovery.ts';

function node(id: string, role: Node['role'], wanted: Node['role'] = role): Node {
  return {
    id,
    meta: newMeta,
    spec: { Labels: { of: id }, Role: wanted, Availability: 'drain' },
    role,
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: 'd' },
    ...(role === 'manager' ? { manager: { raftId: 7, addr: `${id}:2377` } } : {}),
  };
}

const cluster: Cluster = {
  id: 'c',
  meta: newMeta,
  spec: clusterDefaults,
  rootCa: { certificate: '' },
  joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
  defaultAddressPool: [],
  subnetSize: 24,
  dataPathPort: 4_789,
};

test.each(['manager', 'worker'] as const)(
  'this one, that was to be a %s, manages alone; nothing else is lost',
  (wanted) => {
    const state = new State();
    const apply = (index: number, changes: readonly Change[]) =>
      state.applyTransactions(index as LogIndex, 0 as Instant, [
        {
          id: `t${index}`,
          actor: { kind: 'system', name: 'test' },
          reason: 'a test',
          decidedAt: 0 as LogIndex,
          changes,
        },
      ]).outcomes;
    const nodes = [
      node('other', 'manager'),
      node('self', 'manager', wanted),
      node('promoted', 'worker', 'manager'),
      node('worker', 'worker'),
    ];
    apply(1, [
      { op: 'create', table: 'cluster', object: cluster },
      ...nodes.map((object): Change => ({ op: 'create', table: 'node', object })),
    ]);
    const stored = state.view.cluster;
    if (stored === undefined) throw new Error('no cluster');
    const spec = { ...clusterDefaults, Labels: { now: 'alone' } };
    const outcomes = apply(2, recoveryChanges(state.view, { ...stored, spec }, 'self'));
    expect(outcomes).toMatchObject([{ kind: 'committed' }]);
    const { view } = state;
    expect(view.cluster?.spec.Labels).toEqual({ now: 'alone' });
    expect(view.nodes.get('self')).toMatchObject({ role: 'manager', spec: { Role: 'manager' } });
    for (const id of ['other', 'promoted']) {
      const lost = view.nodes.get(id);
      expect(lost).toMatchObject({
        role: 'worker',
        spec: { Labels: { of: id }, Role: 'worker', Availability: 'drain' },
        status: { state: 'down', addr: '10.0.0.1' },
      });
      expect(lost?.manager).toBeUndefined();
    }
    expect(view.nodes.get('worker')?.status.state).toBe('ready');
  },
);
