import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Change,
  type Node,
  type Revision,
  revisionId,
  type ServiceSpec,
  State,
  type Task,
} from '@shoal/state';
import { describe, expect, test } from 'vitest';
import type { Hypothesis } from './hypothesis.ts';
import { type Plan, planOf } from './plan.ts';
import type { Sliced } from './slices.ts';
import { survivabilityOf } from './survivability.ts';

const now = 1_760_000_000_000 as Instant;
const meta = { version: 0 as LogIndex, createdAt: now, updatedAt: now };
const cpu = 1e9;

function finish<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** A swarm of nodes with two CPUs each; tasks run where the test puts them. */
class SmallSwarm {
  readonly state = new State();
  #written = 0;

  constructor(nodes: number) {
    for (let n = 1; n <= nodes; n += 1)
      this.write({ op: 'create', table: 'node', object: aNode(n) });
  }

  write(...changes: readonly Change[]): void {
    this.#written += 1;
    const index = this.#written as LogIndex;
    const actor = { kind: 'user', name: 'test' } as const;
    const one = { id: `w${index}`, actor, reason: 'test', decidedAt: index, changes };
    const { outcomes } = this.state.applyTransactions(index, now, [one]);
    expect(outcomes).toMatchObject([{ kind: 'committed' }]);
  }

  /** A service whose task of slot `n` runs on the n-th of `on`. */
  service(name: string, on: readonly string[], change: Partial<ServiceSpec> = {}): void {
    const spec: ServiceSpec = {
      Name: name,
      Labels: {},
      TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 },
      Mode: { Replicated: { Replicas: on.length } },
      ...change,
    };
    const object: Revision = { id: revisionId(name, 1), meta, serviceId: name, number: 1, spec };
    this.write(
      { op: 'create', table: 'service', object: aService(name) },
      { op: 'create', table: 'revision', object },
      ...on.map((nodeId, at): Change => {
        const slot = spec.Mode.Global === undefined ? at + 1 : 0;
        return { op: 'create', table: 'task', object: runningTask(name, slot, nodeId) };
      }),
    );
  }

  plan(hypothesis: Hypothesis): Plan {
    const planned = finish(planOf(this.state.view, hypothesis, now));
    if (planned.kind === 'refused') throw new Error(planned.reason);
    return planned.plan;
  }
}

function aNode(n: number): Node {
  return {
    id: `n${n}`,
    meta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: `host${n}`,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 2 * cpu, MemoryBytes: 2e9 },
      Engine: { EngineVersion: '28.2.2', Plugins: [] },
    },
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' },
  };
}

function aService(id: string) {
  const endpoint = { revision: 1, ports: [], virtualIps: [] };
  return { id, meta, name: id, revision: 1, endpoint };
}

function runningTask(serviceId: string, slot: number, nodeId: string): Task {
  return {
    id: `${serviceId}-${slot}-${nodeId}`,
    meta,
    serviceId,
    slot,
    nodeId,
    revision: 1,
    desired: 'running',
    status: { state: 'running', at: now, message: 'started', err: '', startedAt: now },
  };
}

function reserving(cpus: number): Partial<ServiceSpec> {
  const Resources = { Reservations: { NanoCPUs: cpus * cpu } };
  const TaskTemplate = { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0, Resources };
  return { TaskTemplate };
}

const lines = (plan: Plan) => ({
  moves: plan.moves.map(({ task, from, to }) => `${task} ${from.hostname}>${to.hostname}`),
  starts: plan.starts.map(({ task, on }) => `${task} on ${on.hostname}`),
  stops: plan.stops.map(({ task, on }) => `${task} on ${on.hostname}`),
  wontFit: plan.wontFit.map(({ task }) => task),
});

describe('a plan', () => {
  test('of a drain moves what is on the node and leaves the rest', () => {
    const swarm = new SmallSwarm(2);
    swarm.service('web', ['n1', 'n2']);
    const plan = swarm.plan({ kind: 'drain', node: 'n1' });
    expect(lines(plan)).toEqual({
      moves: ['web.1 host1>host2'],
      starts: [],
      stops: [],
      wontFit: [],
    });
    expect(plan).toMatchObject({ complete: true, index: swarm.state.view.index });
  });

  test('names what would not fit, with the words of the scheduler', () => {
    const swarm = new SmallSwarm(2);
    swarm.service('big', ['n1'], reserving(2));
    swarm.service('other', ['n2'], reserving(1));
    for (const kind of ['drain', 'lose'] as const) {
      const plan = swarm.plan({ kind, node: 'n1' });
      expect(plan.moves).toEqual([]);
      expect(plan.wontFit).toMatchObject([
        {
          task: 'big.1',
          from: { hostname: 'host1' },
          reason: expect.stringMatching(/insufficient/),
        },
      ]);
    }
  });

  test('of a lost node moves its tasks, and what runs on every node stops there', () => {
    const swarm = new SmallSwarm(3);
    swarm.service('web', ['n1', 'n2', 'n3']);
    swarm.service('agent', ['n1', 'n2', 'n3'], { Mode: { Global: {} } });
    const told = lines(swarm.plan({ kind: 'lose', node: 'n3' }));
    expect(told.moves).toHaveLength(1);
    expect(told.moves[0]).toMatch(/^web\.3 host3>host[12]$/);
    expect(told.stops).toEqual(['agent.n3 on host3']);
  });

  test.each([
    [4, { starts: 2, stops: 0, wontFit: 0 }],
    [6, { starts: 2, stops: 0, wontFit: 2 }],
    [1, { starts: 0, stops: 1, wontFit: 0 }],
  ])('of scaling to %i', (replicas, counts) => {
    const swarm = new SmallSwarm(2);
    swarm.service('web', ['n1', 'n2'], reserving(1));
    expect(swarm.plan({ kind: 'scale', service: 'web', replicas }).counts).toMatchObject(counts);
  });

  test('of scaling what has no number of replicas is refused', () => {
    const swarm = new SmallSwarm(1);
    swarm.service('agent', ['n1'], { Mode: { Global: {} } });
    const work = planOf(swarm.state.view, { kind: 'scale', service: 'agent', replicas: 2 }, now);
    expect(finish(work)).toMatchObject({ kind: 'refused', reason: /not replicated/ });
  });

  test('of rebalancing brings tasks to the empty node until the difference is one', () => {
    const swarm = new SmallSwarm(3);
    swarm.write({ op: 'create', table: 'cluster', object: aCluster });
    swarm.service('web', ['n1', 'n1', 'n1', 'n2', 'n2', 'n2']);
    const told = lines(swarm.plan({ kind: 'rebalance' }));
    expect(told.moves).toHaveLength(2);
    for (const move of told.moves) expect(move).toMatch(/>host3$/);
  });

  test('leaves the state as it was', () => {
    const swarm = new SmallSwarm(2);
    swarm.service('web', ['n1', 'n2']);
    const image = (): unknown => structuredClone([...swarm.state.snapshot().chunks]);
    const before = image();
    swarm.plan({ kind: 'drain', node: 'n1' });
    swarm.plan({ kind: 'scale', service: 'web', replicas: 5 });
    finish(survivabilityOf(swarm.state.view, now));
    expect(image()).toEqual(before);
  });

  test('pauses often, and goes on from the state that it began with', () => {
    const swarm = new SmallSwarm(4);
    swarm.service(
      'web',
      Array.from({ length: 400 }, () => 'n1'),
    );
    const work = planOf(swarm.state.view, { kind: 'lose', node: 'n1' }, now);
    let pauses = 0;
    let planned = work.next();
    for (; !planned.done; planned = work.next()) {
      pauses += 1;
      if (pauses === 1) swarm.write({ op: 'create', table: 'node', object: aNode(9) });
    }
    expect(pauses).toBeGreaterThan(10);
    expect(planned.value).toMatchObject({ plan: { counts: { moves: 400 } } });
    expect(JSON.stringify(planned.value)).not.toContain('host9');
  });
});

const aCluster = {
  id: 'cluster',
  meta,
  spec: {
    Name: 'default',
    Labels: {},
    Orchestration: { TaskHistoryRetentionLimit: 5 },
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
  rootCa: { certificate: '' },
  joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
  defaultAddressPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4_789,
};

describe('survivability', () => {
  test('answers for each node what a plan of its loss answers', () => {
    const swarm = new SmallSwarm(4);
    swarm.service('web', ['n1', 'n2', 'n3'], reserving(1));
    swarm.service('db', ['n1'], reserving(1));
    swarm.service('big', ['n4'], reserving(2));
    swarm.service('agent', ['n1', 'n2', 'n3', 'n4'], { Mode: { Global: {} } });
    const { nodes, index } = finish(survivabilityOf(swarm.state.view, now));
    expect(index).toBe(swarm.state.view.index);
    for (const { node, moves, wontFit, wontFitCount } of nodes) {
      const plan = swarm.plan({ kind: 'lose', node: node.id });
      expect({ node, moves, wontFit, wontFitCount }).toEqual({
        node,
        moves: plan.counts.moves,
        wontFit: plan.wontFit,
        wontFitCount: plan.counts.wontFit,
      });
    }
    expect(nodes.map(({ wontFitCount }) => wontFitCount)).toEqual([0, 0, 0, 1]);
    expect(nodes.map(({ losesOnly }) => losesOnly.map(({ service }) => service))).toEqual([
      ['db'],
      [],
      [],
      ['big'],
    ]);
  });

  test.each([
    [1, { left: 0, total: 1, keepsQuorum: false }],
    [2, { left: 1, total: 2, keepsQuorum: false }],
    [3, { left: 2, total: 3, keepsQuorum: true }],
  ])('of a manager among %i', (managers, impact) => {
    const swarm = new SmallSwarm(managers);
    for (const node of [...swarm.state.view.nodes.values()]) {
      const manager = { raftId: 1, addr: '10.0.0.1:2377' };
      swarm.write({ op: 'update', table: 'node', object: { ...node, role: 'manager', manager } });
    }
    const { nodes } = finish(survivabilityOf(swarm.state.view, now));
    expect(nodes[0]?.managers).toEqual(impact);
  });

  const nfs = { Options: { type: 'nfs', o: 'addr=10.0.0.9', device: ':/x' } };
  test.each<[string, readonly string[], Readonly<Record<string, unknown>>]>([
    ['a volume of the engine is', ['db', 'everywhere'], {}],
    ['one of an unnamed driver is', ['db', 'everywhere'], { DriverConfig: { Name: '' } }],
    ['one that the engine mounts from elsewhere is not', [], { DriverConfig: nfs }],
    ['one of another driver is not', [], { DriverConfig: { Name: 'rexray' } }],
  ])('%s lost with its node, replicas or not', (_name, lost, VolumeOptions) => {
    const swarm = new SmallSwarm(2);
    const Mounts = [{ Type: 'volume', Source: 'data', Target: '/data', VolumeOptions } as const];
    const TaskTemplate = { ContainerSpec: { Image: 'busybox', Mounts }, ForceUpdate: 0 };
    swarm.service('db', ['n1', 'n2'], { TaskTemplate });
    swarm.service('everywhere', ['n1', 'n2'], { TaskTemplate, Mode: { Global: {} } });
    const { nodes } = finish(survivabilityOf(swarm.state.view, now));
    const told = lost.map((service) => ({ service, reason: 'local volume' }));
    expect(nodes.map(({ losesOnly }) => losesOnly)).toEqual([told, told]);
  });
});
