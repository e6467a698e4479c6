import type { Instant, LogIndex } from '@shoal/runtime';
import { expectIncrementalEqualsWhole } from '@shoal/stage/testing';
import {
  type Change,
  type Meta,
  type Network,
  type PortConfig,
  revisionId,
  type ServiceSpec,
  State,
  type StateView,
  type Task,
} from '@shoal/state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAllocator } from './allocator.ts';

const noMeta: Meta = { version: 0 as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };
const now = 1_700_000_000_000 as Instant;

interface Parts {
  readonly ports?: readonly PortConfig[];
  readonly networks?: readonly string[];
}

function revision(serviceId: string, number: number, { ports = [], networks = [] }: Parts): Change {
  const spec: ServiceSpec = {
    Name: serviceId,
    Labels: {},
    TaskTemplate: {
      ContainerSpec: { Image: 'busybox' },
      ForceUpdate: 0,
      Networks: networks.map((Target) => ({ Target })),
    },
    Mode: { Replicated: { Replicas: 1 } },
    EndpointSpec: { Ports: ports },
  };
  const id = revisionId(serviceId, number);
  return { op: 'create', table: 'revision', object: { id, meta: noMeta, serviceId, number, spec } };
}

function service(id: string, parts: Parts = {}): Change[] {
  const endpoint = { revision: 0, ports: [], virtualIps: [] };
  const object = { id, meta: noMeta, name: id, revision: 1, endpoint };
  return [{ op: 'create', table: 'service', object }, revision(id, 1, parts)];
}

function network(id: string, predefined: boolean): Change {
  const spec: Network['spec'] = {
    Name: `name of ${id}`,
    Labels: {},
    Driver: 'host',
    Internal: false,
    Attachable: false,
    Ingress: false,
    Predefined: predefined,
  };
  return { op: 'create', table: 'network', object: { id, meta: noMeta, spec } };
}

function task(id: string, serviceId: string, change: Partial<Task> = {}): Change {
  const object: Task = {
    id,
    meta: noMeta,
    serviceId,
    slot: 1,
    nodeId: '',
    revision: 1,
    desired: 'running',
    status: { state: 'new', at: now, message: 'created', err: '' },
    ...change,
  };
  return { op: 'create', table: 'task', object };
}

/** The state after the allocator has done what it wants. */
function allocated(...changes: readonly Change[]): StateView {
  const state = new State();
  const actor = { kind: 'user', name: 'fake' } as const;
  const write = (all: readonly (readonly Change[])[]): void => {
    const { index } = state.view;
    const transactions = all.map((changes, at) => {
      return { id: `${index}/${at}`, actor, reason: 'fake', decidedAt: index, changes };
    });
    const entry = state.applyTransactions((index + 1) as LogIndex, now, transactions);
    for (const outcome of entry.outcomes) expect(outcome.kind).toBe('committed');
  };
  write([changes]);
  for (let round = 0; round < 10; round += 1) {
    const everything = { everything: true, changes: [], due: new Set<string>() };
    const decisions = [...createAllocator().step(state.view, everything, now, () => true)];
    if (decisions.length === 0) return state.view;
    write(decisions.flatMap((decision) => (decision.kind === 'wake' ? [] : [decision.changes])));
  }
  throw new Error('the allocator is restless');
}

const hostPort: PortConfig = {
  Protocol: 'tcp',
  TargetPort: 80,
  PublishedPort: 8080,
  PublishMode: 'host',
};
const ingressPort: PortConfig = { ...hostPort, PublishMode: 'ingress' };

describe('a service', () => {
  it('gets the ports it publishes on the nodes, for its revision', () => {
    const view = allocated(...service('web', { ports: [hostPort] }));
    expect(view.services.get('web')?.endpoint).toEqual({
      revision: 1,
      ports: [hostPort],
      virtualIps: [],
    });
  });

  it('gets nothing while a port needs the ingress network, and its tasks say so', () => {
    const view = allocated(...service('web', { ports: [ingressPort] }), task('one', 'web'));
    expect(view.services.get('web')?.endpoint.revision).toBe(0);
    expect(view.tasks.get('one')?.status).toMatchObject({
      state: 'new',
      err: 'ingress network is missing',
    });
  });
});

describe('a new task', () => {
  it('becomes pending once its service has its endpoint', () => {
    const view = allocated(...service('web'), task('one', 'web'));
    expect(view.tasks.get('one')?.status).toEqual({
      state: 'pending',
      at: now,
      message: 'pending task scheduling',
      err: '',
    });
  });

  it('on node-local networks needs nothing more', () => {
    const view = allocated(
      network('host', true),
      ...service('web', { networks: ['host'] }),
      task('one', 'web'),
    );
    expect(view.tasks.get('one')?.status.state).toBe('pending');
  });

  it('says which network has no address for it', () => {
    const view = allocated(
      network('mesh', false),
      ...service('web', { networks: ['mesh'] }),
      task('one', 'web'),
    );
    expect(view.tasks.get('one')?.status).toMatchObject({
      state: 'new',
      err: 'network name of mesh has no address for the task yet',
    });
  });

  it('that is called off before it got further ends here', () => {
    const view = allocated(...service('web'), task('one', 'web', { desired: 'shutdown' }));
    expect(view.tasks.get('one')?.status).toMatchObject({ state: 'shutdown', err: '' });
  });

  it('that is called off while it waits for the network ends too', () => {
    const parts = { desired: 'shutdown' } as const;
    const view = allocated(...service('web', { ports: [ingressPort] }), task('one', 'web', parts));
    expect(view.tasks.get('one')?.status.state).toBe('shutdown');
  });

  it('that is to be removed stays as it is', () => {
    const view = allocated(...service('web'), task('one', 'web', { desired: 'remove' }));
    expect(view.tasks.get('one')?.status.state).toBe('new');
  });
});

type Move = (view: StateView) => readonly Change[];

const moves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc
    .record({
      kind: fc.constantFrom('service', 'task', 'network', 'update', 'drop'),
      id: fc.constantFrom('a', 'b', 'c'),
      flag: fc.boolean(),
    })
    .map(({ kind, id, flag }): Move => {
      const parts = { networks: flag ? ['net'] : [], ports: flag ? [] : [hostPort] };
      if (kind === 'service') return () => service(id, parts);
      if (kind === 'network') return () => [network('net', flag)];
      if (kind === 'task') return (view) => [task(`${id}${view.tasks.size}`, id)];
      if (kind === 'drop') return (view) => dropNetwork(view);
      return (view) => nextRevision(view, id, parts);
    }),
  { maxLength: 20 },
);

function nextRevision(view: StateView, id: string, parts: Parts): readonly Change[] {
  const current = view.services.get(id);
  if (current === undefined) return [];
  const number = current.revision + 1;
  const object = { ...current, revision: number };
  return [{ op: 'update', table: 'service', object }, revision(id, number, parts)];
}

function dropNetwork(view: StateView): readonly Change[] {
  const current = view.networks.get('net');
  if (current === undefined) return [];
  return [{ op: 'delete', table: 'network', id: 'net', version: current.meta.version }];
}

describe('many small steps', () => {
  it('end where a look at everything ends', () => {
    fc.assert(
      fc.property(moves, (sequence) => {
        expectIncrementalEqualsWhole({ stage: createAllocator, moves: sequence });
      }),
      { numRuns: 100 },
    );
  });
});
