import type { SwarmView } from '@shoal/proto';
import { type Instant, silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLease, FakeLog, settle } from '@shoal/stage/testing';
import { type Cluster, type Node, revisionId, type Task } from '@shoal/state';
import { beforeEach, describe, expect, test } from 'vitest';
import { FakeAgent } from '../testing/fake-agent.ts';
import { Dispatcher } from './dispatcher.ts';
import { absencePeriods, heartbeatMsDefault, unknownPeriods } from './limits.ts';
import { noMetrics } from './metrics.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
const sealed = { sealed: '' };

let clock: FakeClock;
let log: FakeLog;

beforeEach(() => {
  clock = new FakeClock();
  log = new FakeLog({ clock, random: systemRandom });
  const cluster: Cluster = {
    id: 'c',
    meta,
    spec: {
      Dispatcher: { HeartbeatPeriod: heartbeatMsDefault * 1e6 },
      TaskDefaults: {},
    } as Cluster['spec'],
    rootCa: { certificate: 'old root\n', key: sealed },
    joinTokens: { worker: sealed, manager: sealed },
    defaultAddressPool: [],
    subnetSize: 24,
    dataPathPort: 4789,
  };
  log.write([{ op: 'create', table: 'cluster', object: cluster }]);
  for (const id of ['m1', 'm2']) addNode(id, { raftId: 1, addr: `${id}:2377` });
  for (const id of ['w1', 'w2']) addNode(id);
});

function addNode(id: string, manager?: Node['manager']): void {
  const role = manager === undefined ? 'worker' : 'manager';
  const object: Node = {
    id,
    meta,
    spec: { Labels: {}, Role: role, Availability: 'active' },
    role,
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
    ...(manager === undefined ? {} : { manager: { ...manager, raftId: id.charCodeAt(1) } }),
  };
  log.write([{ op: 'create', table: 'node', object }]);
}

function addTask(id: string, nodeId: string): void {
  const service: object = { revision: 1, endpoint: { revision: 0, ports: [], virtualIps: [] } };
  if (log.view.services.get('s') === undefined)
    log.write([
      { op: 'create', table: 'service', object: { id: 's', meta, name: 's', ...service } as never },
      {
        op: 'create',
        table: 'revision',
        object: {
          id: revisionId('s', 1),
          meta,
          serviceId: 's',
          number: 1,
          spec: {
            Name: 's',
            Labels: {},
            TaskTemplate: { ContainerSpec: { Image: 'i' }, ForceUpdate: 0 },
            Mode: { Replicated: { Replicas: 1 } },
          },
        },
      },
    ]);
  const status = { state: 'running', at: 0 as Instant, message: '', err: '' } as const;
  const task = { id, meta, serviceId: 's', slot: 1, nodeId, revision: 1, desired: 'running' };
  log.write([{ op: 'create', table: 'task', object: { ...task, status } as Task }]);
}

/** The dispatcher of a manager. */
function start(manager: string) {
  const lease = new FakeLease(log, {
    id: `dispatcher@${manager}/0`,
    stage: 'dispatcher',
    nodeId: manager,
    address: `${manager}:2378`,
  });
  lease.reclaim();
  const replica = log.replica();
  const dispatcher = new Dispatcher({
    replica,
    lease,
    openRegistryAuth: () => undefined,
    clock,
    random: { next: () => 0.5, bytes: (count) => systemRandom.bytes(count) },
    logger: silentLogger,
    metrics: noMetrics,
  });
  /** Its host dies: the lease ends when nobody has renewed it. */
  const kill = (): void => {
    log.detach(replica);
    dispatcher.stop();
    lease.expire();
  };
  /** Its host is cut off: it hears nothing, and its lease ends. */
  const cutOff = (): void => {
    log.detach(replica);
    lease.expire();
  };
  const reconnect = (): void => {
    log.attach(replica);
    lease.reclaim();
  };
  return { dispatcher, lease, kill, cutOff, reconnect };
}

const state = (id: string): string | undefined => log.view.nodes.get(id)?.status.state;

function views(agent: FakeAgent): SwarmView[] {
  return agent.messages.flatMap(({ body }) => {
    if (body?.$case === 'swarm') return [body.value];
    return body?.$case === 'registered' && body.value.swarm !== undefined ? [body.value.swarm] : [];
  });
}

async function beats(agent: FakeAgent, dispatcher: Dispatcher, count: number): Promise<void> {
  for (let beat = 0; beat < count; beat += 1) {
    await clock.advance(heartbeatMsDefault);
    agent.heartbeat(dispatcher);
  }
}

describe('when the dispatcher of a node is gone', () => {
  test('the node that finds another at once stays what it is', async () => {
    const [one, two] = [start('m1'), start('m2')];
    const agent = new FakeAgent('w1');
    addTask('t', 'w1');
    await agent.register(one.dispatcher);
    await settle();
    const before = log.view.nodes.get('w1');
    one.kill();
    await clock.advance(2_000);
    await agent.register(two.dispatcher);
    await settle();
    expect(agent.tasks.get('t')).toBe('running');
    await beats(agent, two.dispatcher, absencePeriods + 2);
    expect(log.view.nodes.get('w1')?.status).toEqual({
      ...before?.status,
      dispatcher: 'dispatcher@m2/0',
    });
  });

  test('a session that outlives its cut off dispatcher makes the node ready again', async () => {
    const [one] = [start('m1'), start('m2')];
    const agent = new FakeAgent('m1');
    await agent.register(one.dispatcher);
    await settle();
    one.cutOff();
    await beats(agent, one.dispatcher, unknownPeriods + 1);
    expect(state('m1')).toBe('unknown');
    one.reconnect();
    await beats(agent, one.dispatcher, 1);
    await settle();
    expect(agent.closedBy).toBeUndefined();
    expect(log.view.nodes.get('m1')?.status).toMatchObject({
      state: 'ready',
      dispatcher: 'dispatcher@m1/0',
    });
  });

  test('the agent of a dispatcher that stays cut off finds another before its node is down', async () => {
    const [one, two] = [start('m1'), start('m2')];
    const agent = new FakeAgent('w1');
    await agent.register(one.dispatcher);
    await settle();
    one.cutOff();
    for (let at = 0; at < absencePeriods && agent.closedBy === undefined; at += 1)
      await beats(agent, one.dispatcher, 1);
    expect(agent.closedBy?.kind).toBe('unavailable');
    await agent.register(two.dispatcher);
    await beats(agent, two.dispatcher, absencePeriods + 2);
    expect(log.view.nodes.get('w1')?.status).toMatchObject({
      state: 'ready',
      dispatcher: 'dispatcher@m2/0',
    });
  });

  test.each([20, 33, 60, 600])(
    'no node is down after %i s in which no dispatcher had a lease',
    async (seconds) => {
      const [one, two] = [start('m1'), start('m2')];
      const agents = ['w1', 'w2'].map((id) => new FakeAgent(id));
      for (const agent of agents) await agent.register(one.dispatcher);
      await settle();
      const seen: (string | undefined)[] = [];
      log.replica().subscribe(() => seen.push(state('w1'), state('w2')));
      log.failWith({ kind: 'failed', code: 'no-leader', message: 'too few managers' });
      for (const { lease } of [one, two]) lease.expire();
      for (let second = 0; second < seconds; second += 1) {
        for (const agent of agents)
          if (agent.closedBy === undefined) agent.heartbeat(one.dispatcher);
          else await agent.register([one, two][second % 2]?.dispatcher ?? one.dispatcher);
        await clock.advance(1_000);
      }
      log.failWith(undefined);
      for (const { lease } of [one, two]) lease.reclaim();
      await settle();
      await clock.advance(1_000);
      for (const agent of agents)
        if (agent.closedBy !== undefined || agent.refusedBy !== undefined)
          await agent.register(two.dispatcher);
      await settle();
      expect(seen).not.toContain('down');
      expect([state('w1'), state('w2')]).toEqual(['ready', 'ready']);
    },
  );

  test('the node that does not is unknown, then down; in between a session makes it ready', async () => {
    const [one, two] = [start('m1'), start('m2')];
    const [late, never] = [new FakeAgent('w1'), new FakeAgent('w2')];
    await late.register(one.dispatcher);
    await never.register(one.dispatcher);
    await settle();
    one.kill();
    await clock.advance(unknownPeriods * heartbeatMsDefault);
    expect([state('w1'), state('w2')]).toEqual(['unknown', 'unknown']);
    await clock.advance(3 * heartbeatMsDefault);
    await late.register(two.dispatcher);
    await settle();
    expect(state('w1')).toBe('ready');
    await beats(late, two.dispatcher, absencePeriods - unknownPeriods - 3);
    expect([state('w1'), state('w2')]).toEqual(['ready', 'down']);
  });

  test('another leader alone changes no node and ends no session', async () => {
    const one = start('m1');
    const agent = new FakeAgent('w1');
    await agent.register(one.dispatcher);
    await settle();
    const before = log.view.nodes.get('w1');
    // The new leader grants the lease anew; for a while no proposal is taken.
    log.failWith({ kind: 'failed', code: 'no-leader', message: 'no leader' });
    await beats(agent, one.dispatcher, 2);
    log.failWith(undefined);
    one.lease.reclaim();
    await beats(agent, one.dispatcher, absencePeriods + 1);
    expect(agent.closedBy).toBeUndefined();
    expect(log.view.nodes.get('w1')).toEqual(before);
  });
});

describe('what agents learn of the swarm', () => {
  test('every manager with its log and its dispatchers, once it changes and only then', async () => {
    const one = start('m1');
    const agent = new FakeAgent('w1');
    await agent.register(one.dispatcher);
    await settle();
    const only = { nodeId: 'm2', dispatcherAddr: '', logAddr: 'm2:2377' };
    const first = { nodeId: 'm1', dispatcherAddr: 'm1:2378', logAddr: 'm1:2377' };
    expect(views(agent).at(-1)?.managers).toEqual([only, first]);
    const two = start('m2');
    await settle();
    const second = { ...only, dispatcherAddr: 'm2:2378' };
    expect(views(agent).at(-1)?.managers).toEqual([first, second]);
    const told = views(agent).length;
    two.lease.reclaim();
    one.lease.reclaim();
    await settle();
    expect(views(agent)).toHaveLength(told);
    const node = log.view.nodes.get('m2');
    if (node === undefined) throw new Error('no node');
    const demoted = { ...node, role: 'worker', manager: undefined } as const;
    log.write([{ op: 'update', table: 'node', object: demoted }], 'system');
    two.kill();
    await settle();
    expect(views(agent).at(-1)?.managers).toEqual([first]);
  });

  test('both roots while the root rotates, and whose certificates nodes should have', async () => {
    const one = start('m1');
    const agent = new FakeAgent('w1');
    await agent.register(one.dispatcher);
    const { cluster } = log.view;
    if (cluster === undefined) throw new Error('no cluster');
    expect(views(agent).at(-1)).toMatchObject({ trustRoots: 'old root\n', issuer: 'old root\n' });
    const rotation = {
      certificate: 'fresh root\n',
      key: sealed,
      crossSigned: 'fresh root by the old one\n',
      startedAt: 0 as Instant,
    };
    const object = { ...cluster, rootCa: { ...cluster.rootCa, rotation } };
    log.write([{ op: 'update', table: 'cluster', object }]);
    await settle();
    expect(views(agent).at(-1)).toMatchObject({
      trustRoots: 'old root\nfresh root\n',
      issuer: 'fresh root\n',
    });
  });
});

test('a node that was removed is let go and not let in again', async () => {
  const one = start('m1');
  const agent = new FakeAgent('w1');
  await agent.register(one.dispatcher);
  await settle();
  const [node, { cluster }] = [log.view.nodes.get('w1'), log.view];
  if (node === undefined || cluster === undefined) throw new Error('no node');
  const removedNodes = { w1: 1 as Instant };
  const { version } = node.meta;
  log.write([
    { op: 'delete', table: 'node', id: 'w1', version },
    { op: 'update', table: 'cluster', object: { ...cluster, removedNodes } },
  ]);
  await settle();
  expect(agent.closedBy?.kind).toBe('not-found');
  await agent.register(one.dispatcher);
  expect(agent.refusedBy?.kind).toBe('not-found');
  expect(one.dispatcher.knows('w1')).toBe(false);
});

test('a worker is told of its own tasks only, and cannot report those of others', async () => {
  const one = start('m1');
  addTask('mine', 'w1');
  addTask('theirs', 'w2');
  const agent = new FakeAgent('w1');
  await agent.register(one.dispatcher);
  expect([...agent.tasks.keys()]).toEqual(['mine']);
  const failed = { state: 'failed', at: 1 as Instant, message: '', err: '' } as const;
  agent.report(one.dispatcher, 'theirs', failed);
  await settle();
  expect(log.view.tasks.get('theirs')?.status.state).toBe('running');
});
