import { clusterDefaults, type Reachability } from '@shoal/docker-api';
import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Cluster,
  type Node,
  newMeta,
  nodeRemoval,
  State,
  type Task,
} from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { checkDemotion } from './changes.ts';

const now = 1_800_000_000_000 as Instant;
const day = 86_400_000;

let state: State;
function commit(...changes: readonly Change[]): void {
  const id = `t${state.view.index}`;
  const actor = { kind: 'system', name: 'test' } as const;
  const transaction = { id, actor, reason: 'a test', decidedAt: state.view.index, changes };
  const index = (state.view.index + 1) as LogIndex;
  const { outcomes } = state.applyTransactions(index, now, [transaction]);
  expect(outcomes).toMatchObject([{ kind: 'committed' }]);
}
beforeEach(() => {
  state = new State();
});

function node(id: string, role: Node['role'], raftId?: number): Node {
  return {
    id,
    meta: newMeta,
    spec: { Labels: {}, Role: role, Availability: 'active' },
    role,
    status: { state: 'down', message: '', addr: '', dispatcher: '' },
    ...(raftId === undefined ? {} : { manager: { raftId, addr: `${id}:2377` } }),
  };
}

function make(object: Node): void {
  commit({ op: 'create', table: 'node', object });
}

describe('a demotion', () => {
  const managers = (count: number): void => {
    for (let id = 1; id <= count; id += 1) make(node(`m${id}`, 'manager', id));
  };
  const demote = (id: string, reachable: readonly string[]) => {
    const found = state.view.nodes.get(id);
    if (found === undefined) throw new Error('no such node');
    const reachability = new Map(
      [...state.view.nodes.values()].map(({ id: other }): [string, Reachability] => [
        other,
        reachable.includes(other) ? 'reachable' : 'unreachable',
      ]),
    );
    return () => checkDemotion(state.view, found, { leader: reachable[0], reachability });
  };

  test.each([
    [2, 'm2', ['m1', 'm2']],
    [2, 'm2', ['m1']],
    [3, 'm1', ['m1', 'm2', 'm3']],
    [3, 'm3', ['m1', 'm2']],
    [5, 'm5', ['m1', 'm2', 'm3']],
  ])('of %i managers %s may go while %j are heard', (count, id, reachable) => {
    managers(count);
    expect(demote(id, reachable)).not.toThrow();
  });

  test.each([
    [2, 'm1', ['m1']],
    [3, 'm1', ['m1', 'm2']],
    [5, 'm1', ['m1', 'm2', 'm3']],
  ])('of %i managers %s must stay while only %j are heard', (count, id, reachable) => {
    managers(count);
    expect(demote(id, reachable)).toThrow(
      "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would result in a loss of quorum",
    );
  });

  test('the last manager stays; one that does not vote yet may go', () => {
    managers(1);
    expect(demote('m1', ['m1'])).toThrow('attempting to demote the last manager of the swarm');
    make(node('new', 'manager'));
    expect(demote('new', ['m1'])).not.toThrow();
  });
});

describe('a removal', () => {
  const cluster = (): Cluster => ({
    id: 'c',
    meta: newMeta,
    spec: clusterDefaults,
    rootCa: { certificate: '' },
    joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
    removedNodes: { old: (now - 8 * day) as Instant, recent: (now - 6 * day) as Instant },
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4_789,
  });

  test('frees what the tasks held, remembers the node, and forgets those long gone', () => {
    commit({ op: 'create', table: 'cluster', object: cluster() });
    make(node('w1', 'worker'));
    const service = { id: 's', meta: newMeta, name: 's', revision: 1 };
    const endpoint = { revision: 0, ports: [], virtualIps: [] };
    const template = { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 };
    const spec = { Name: 's', Labels: {}, TaskTemplate: template, Mode: { Global: {} } };
    const task = (id: string, status: Task['status']['state']): Task => ({
      id,
      meta: newMeta,
      serviceId: 's',
      slot: 0,
      nodeId: 'w1',
      revision: 1,
      desired: 'running',
      status: { state: status, at: now, message: '', err: '' },
    });
    commit(
      { op: 'create', table: 'service', object: { ...service, endpoint } },
      {
        op: 'create',
        table: 'revision',
        object: { id: 's.1', meta: newMeta, serviceId: 's', number: 1, spec },
      },
      { op: 'create', table: 'task', object: task('runs', 'running') },
      { op: 'create', table: 'task', object: task('ended', 'complete') },
    );
    const gone = state.view.nodes.get('w1');
    if (gone === undefined) throw new Error('no such node');
    commit(...nodeRemoval(state.view, gone, now));
    expect(state.view.nodes.size).toBe(0);
    expect(state.view.tasks.get('runs')?.status).toMatchObject({
      state: 'orphaned',
      message: 'Task belonged to a node that has been deleted',
    });
    expect(state.view.tasks.get('ended')?.status.state).toBe('complete');
    expect(state.view.cluster?.removedNodes).toEqual({
      recent: now - 6 * day,
      w1: now + 90 * day,
    });
  });
});
