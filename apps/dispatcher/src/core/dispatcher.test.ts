import { type Instant, silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLease, FakeLog, settle } from '@shoal/stage/testing';
import { type Node, revisionId, type Task, type TaskState, type TaskStatus } from '@shoal/state';
import { beforeEach, expect, test } from 'vitest';
import { description, FakeAgent } from '../testing/fake-agent.ts';
import { Dispatcher } from './dispatcher.ts';
import {
  absencePeriods,
  descriptionEveryMs,
  descriptionsMax,
  gracePeriods,
  heartbeatMsDefault,
  registrationsMax,
  unknownPeriods,
} from './limits.ts';
import { noMetrics } from './metrics.ts';
import { dispatcherGone, unknownFailure } from './node-writes.ts';

const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Task['meta'];
const spec = {
  Name: 'web',
  Labels: {},
  TaskTemplate: { ContainerSpec: { Image: 'i' }, ForceUpdate: 0 },
  Mode: { Replicated: { Replicas: 1 } },
};
const random = { next: () => 0.5, bytes: (count: number) => systemRandom.bytes(count) };
/** Longer than three periods with their jitter. */
const graceMs = 4 * heartbeatMsDefault;

let clock: FakeClock;
let log: FakeLog;

beforeEach(() => {
  clock = new FakeClock();
  log = new FakeLog({ clock, random: systemRandom });
  const service: object = { revision: 1, endpoint: { revision: 0, ports: [], virtualIps: [] } };
  log.write([
    { op: 'create', table: 'service', object: { id: 's', meta, name: 'web', ...service } as never },
    {
      op: 'create',
      table: 'revision',
      object: { id: revisionId('s', 1), meta, serviceId: 's', number: 1, spec },
    },
  ]);
  addNode('n1');
});

function addNode(id: string): void {
  const object: Node = {
    id,
    meta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'unknown', message: '', addr: '', dispatcher: '' },
  };
  log.write([{ op: 'create', table: 'node', object }]);
}

function addTask(id: string, nodeId = 'n1', state: TaskState = 'assigned'): void {
  const task: Task = {
    id,
    meta,
    serviceId: 's',
    slot: 1,
    nodeId,
    revision: 1,
    desired: 'running',
    status: status(state),
  };
  log.write([{ op: 'create', table: 'task', object: task }]);
}

function status(state: TaskState, at = 0): TaskStatus {
  return { state, at: at as Instant, message: state, err: '' };
}

function change(id: string, next: Partial<Task>): void {
  const task = log.view.tasks.get(id);
  if (task === undefined) throw new Error(`no task ${id}`);
  log.write([{ op: 'update', table: 'task', object: { ...task, ...next } }]);
}

function start(instance = '0') {
  const lease = new FakeLease(log, {
    id: `dispatcher@m/${instance}`,
    stage: 'dispatcher',
    nodeId: 'm',
    address: `m:${instance}`,
  });
  lease.reclaim();
  const dispatcher = new Dispatcher({
    replica: log.replica(),
    lease,
    openRegistryAuth: () => undefined,
    clock,
    random,
    logger: silentLogger,
    metrics: noMetrics,
  });
  return { dispatcher, lease };
}

const node = (id = 'n1') => log.view.nodes.get(id)?.status;

test('registering makes the node ready; doing so again writes nothing', async () => {
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await settle();
  expect(node()).toEqual({
    state: 'ready',
    message: '',
    addr: '10.0.0.1',
    dispatcher: 'dispatcher@m/0',
  });
  const before = log.committed;
  await agent.register(dispatcher);
  await settle();
  for (let beat = 0; beat < 100; beat += 1) agent.heartbeat(dispatcher);
  await settle();
  expect(log.committed).toBe(before);
  expect(dispatcher.sessions).toBe(1);
});

test('an unknown node, too many registrations and a dispatcher without lease are refused', async () => {
  const { dispatcher, lease } = start();
  const stranger = new FakeAgent('nobody');
  await stranger.register(dispatcher);
  expect(stranger.refusedBy?.kind).toBe('not-found');
  const agent = new FakeAgent('n1');
  for (let turn = 0; turn < registrationsMax; turn += 1) await agent.register(dispatcher);
  expect(agent.refusedBy).toBeUndefined();
  await agent.register(dispatcher);
  expect(agent.refusedBy?.message).toBe('node n1 exceeded rate limit count of registrations');
  addNode('n2');
  lease.expire();
  const other = new FakeAgent('n2');
  await other.register(dispatcher);
  expect(other.refusedBy?.kind).toBe('unavailable');
});

test('what changes of a host is written as often as hosts change, not as often as one says so', async () => {
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  const say = (at: number): void =>
    agent.describe(dispatcher, { ...description, Hostname: `h${at}` });
  for (let at = 0; at < descriptionsMax; at += 1) say(at);
  await settle();
  expect(log.view.nodes.get('n1')?.description?.Hostname).toBe(`h${descriptionsMax - 1}`);
  await clock.advance(descriptionEveryMs);
  say(100);
  await settle();
  expect(log.view.nodes.get('n1')?.description?.Hostname).toBe('h100');
  expect(agent.closedBy).toBeUndefined();
  say(101);
  await settle();
  expect(log.view.nodes.get('n1')?.description?.Hostname).toBe('h100');
  expect(agent.closedBy?.message).toBe('node n1 exceeded rate limit count of descriptions');
});

test('a node does not have its tunnels end where those of another do that is there', async () => {
  addNode('n2');
  addNode('n3');
  const { dispatcher } = start();
  const [first, second, third] = [new FakeAgent('n1'), new FakeAgent('n2'), new FakeAgent('n3')];
  const at = (DataPathAddr: string) => ({ ...description, DataPathAddr });
  await first.register(dispatcher, '10.0.0.1', at('172.16.0.1'));
  await third.register(dispatcher, '10.0.0.3');
  await settle();
  for (const [claimed, holder] of [
    ['172.16.0.1', 'n1'],
    ['10.0.0.3', 'n3'],
  ] as const) {
    await second.register(dispatcher, '10.0.0.2', at(claimed));
    expect(second.refusedBy).toEqual({
      kind: 'conflict',
      message: `the data path address ${claimed} is that of node ${holder} (host), which is ready: join with an address of this host as --data-path-addr`,
    });
  }
  await clock.advance(registrationsMax * 1_000);
  await second.register(dispatcher, '10.0.0.2', at('172.16.0.2'));
  expect(second.refusedBy).toBeUndefined();
  await settle();
  second.describe(dispatcher, at('10.0.0.3'));
  await settle();
  expect(second.closedBy?.kind).toBe('conflict');
  expect(log.view.nodes.get('n2')?.description?.DataPathAddr).toBe('172.16.0.2');
  // The same once more is its own.
  await first.register(dispatcher, '10.0.0.1', at('172.16.0.1'));
  expect(first.refusedBy).toBeUndefined();
});

test('an address that a node has proved to be its own, or whose node is gone, is free to take', async () => {
  addNode('n2');
  const { dispatcher } = start();
  const [first, second] = [new FakeAgent('n1'), new FakeAgent('n2')];
  const described = { ...description, DataPathAddr: '10.0.0.2' };
  await first.register(dispatcher, '10.0.0.1', described);
  await settle();
  await second.register(dispatcher, '10.0.0.2', described);
  expect(second.refusedBy).toBeUndefined();
  dispatcher.closed(second.session as never);
  await clock.advance(graceMs);
  await settle();
  expect(node('n2')?.state).toBe('down');
  expect(node('n1')?.state).toBe('down');
  await second.register(dispatcher, '10.0.0.9', described);
  expect(second.refusedBy).toBeUndefined();
});

test('registrations refused while the dispatcher has no lease do not count against the node', async () => {
  const { dispatcher, lease } = start();
  lease.expire();
  const agent = new FakeAgent('n1');
  for (let turn = 0; turn <= registrationsMax; turn += 1) {
    await agent.register(dispatcher);
    expect(agent.refusedBy?.kind).toBe('unavailable');
  }
  lease.reclaim();
  const again = new FakeAgent('n1');
  await again.register(dispatcher);
  expect(again.refusedBy).toBeUndefined();
});

test('a dispatcher that stays without a lease lets its agents go to another', async () => {
  const { dispatcher, lease } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  const beats = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) {
      agent.heartbeat(dispatcher);
      await clock.advance(heartbeatMsDefault);
    }
  };
  lease.expire();
  await beats(gracePeriods - 1);
  lease.reclaim();
  await beats(gracePeriods);
  expect(agent.closedBy).toBeUndefined();
  lease.expire();
  await beats(gracePeriods);
  expect(agent.closedBy).toMatchObject({ kind: 'unavailable' });
  dispatcher.stop();
  expect(clock.timers).toBe(0);
});

test('a node gets all its tasks first and then what changes, until tasks are deleted', async () => {
  addTask('a');
  addTask('early', 'n1', 'pending');
  addTask('foreign', '');
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  expect(agent.tasks).toEqual(new Map([['a', 'running']]));
  addTask('b');
  change('a', { desired: 'shutdown' });
  change('early', { status: status('assigned') });
  expect(agent.tasks).toEqual(
    new Map([
      ['a', 'shutdown'],
      ['b', 'running'],
      ['early', 'running'],
    ]),
  );
  const count = agent.messages.length;
  change('b', { status: status('running') });
  expect(agent.messages).toHaveLength(count);
  change('b', { status: status('failed') });
  expect(agent.tasks.get('b')).toBe('shutdown');
  const version = log.view.tasks.get('b')?.meta.version ?? (0 as never);
  log.write([{ op: 'delete', table: 'task', id: 'b', version }]);
  expect([...agent.tasks.keys()]).toEqual(['a', 'early']);
});

test('an agent that is slow to read gets many changes in one message', async () => {
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  agent.fast = false;
  addTask('a');
  const count = agent.messages.length;
  for (let at = 0; at < 10; at += 1) addTask(`more${at}`);
  expect(agent.messages).toHaveLength(count);
  agent.fast = true;
  if (agent.session !== undefined) dispatcher.drained(agent.session);
  expect(agent.messages).toHaveLength(count + 1);
  expect(agent.tasks.size).toBe(11);
});

test('reports move tasks forward only, and are acknowledged when committed', async () => {
  addTask('a');
  addNode('elsewhere');
  addTask('foreign', 'elsewhere');
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  const sequence = agent.report(dispatcher, 'a', status('running', 5));
  expect(agent.acknowledged).toBe(0);
  await settle();
  expect(agent.acknowledged).toBe(sequence);
  expect(log.view.tasks.get('a')?.status.state).toBe('running');
  agent.report(dispatcher, 'a', status('preparing', 6));
  agent.report(dispatcher, 'gone', status('running'));
  const last = agent.report(dispatcher, 'foreign', status('failed'));
  await settle();
  expect(agent.acknowledged).toBe(last);
  expect(log.view.tasks.get('a')?.status.state).toBe('running');
  expect(log.view.tasks.get('foreign')?.status.state).toBe('assigned');
});

test('reports survive a log that cannot write for a while', async () => {
  addTask('a');
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await settle();
  log.failWith({ kind: 'failed', code: 'no-leader', message: 'no leader' });
  const sequence = agent.report(dispatcher, 'a', status('running'));
  await clock.advance(3_000);
  expect(agent.acknowledged).toBe(0);
  log.failWith(undefined);
  await clock.advance(3_000);
  expect(agent.acknowledged).toBe(sequence);
  expect(log.view.tasks.get('a')?.status.state).toBe('running');
});

test('a report under a stale lease is written under the next', async () => {
  addTask('a');
  const { dispatcher, lease } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await settle();
  const held = log.view.leases.get('dispatcher@m/0');
  if (held === undefined) throw new Error('no lease');
  log.write([{ op: 'update', table: 'lease', object: held }], 'system');
  agent.report(dispatcher, 'a', status('running'));
  await clock.advance(1_000);
  expect(lease.current?.epoch).toBe(log.view.leases.get(held.id)?.meta.version);
  expect(log.view.tasks.get('a')?.status.state).toBe('running');
});

test('a node whose heartbeats stop is down, and ready again when it comes back', async () => {
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await clock.advance(2 * heartbeatMsDefault);
  agent.heartbeat(dispatcher);
  await clock.advance(2 * heartbeatMsDefault);
  expect(node()?.state).toBe('ready');
  await clock.advance(graceMs);
  expect(node()).toMatchObject({ state: 'down', message: 'heartbeat failure' });
  expect(agent.closedBy?.kind).toBe('unavailable');
  await agent.register(dispatcher);
  await settle();
  expect(node()).toMatchObject({ state: 'ready', message: '' });
});

test('the end of a stream alone does not make a node down', async () => {
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  await settle();
  if (agent.session !== undefined) dispatcher.closed(agent.session);
  await clock.advance(2 * heartbeatMsDefault);
  expect(node()?.state).toBe('ready');
  await agent.register(dispatcher);
  await clock.advance(2 * heartbeatMsDefault);
  expect(node()?.state).toBe('ready');
});

test('after a restart of the dispatcher a node has time to come back', async () => {
  const first = start();
  await new FakeAgent('n1').register(first.dispatcher);
  await settle();
  first.dispatcher.stop();
  const before = log.committed;
  const second = start();
  await clock.advance(unknownPeriods * heartbeatMsDefault - 1);
  expect(node()?.state).toBe('ready');
  expect(log.committed).toBe(before + 1);
  await clock.advance((absencePeriods - unknownPeriods) * heartbeatMsDefault);
  expect(node()).toMatchObject({ state: 'unknown', message: dispatcherGone });
  await clock.advance(1);
  expect(node()).toMatchObject({ state: 'down', message: unknownFailure });
  second.dispatcher.stop();
  expect(clock.timers).toBe(0);
});

test('of several dispatchers one takes care of a node whose own is gone', async () => {
  const [a, b, c] = [start('a'), start('b'), start('c')];
  await new FakeAgent('n1').register(c.dispatcher);
  await settle();
  c.dispatcher.stop();
  c.lease.expire();
  const before = log.committed;
  await clock.advance((absencePeriods + 1) * heartbeatMsDefault);
  expect(node()?.state).toBe('down');
  // Unknown first, then down.
  expect(log.committed).toBe(before + 2);
  a.dispatcher.stop();
  b.dispatcher.stop();
});

test('a node that chose another dispatcher is let go by the first and stays ready', async () => {
  const [a, b] = [start('a'), start('b')];
  const [old, now] = [new FakeAgent('n1'), new FakeAgent('n1')];
  await old.register(a.dispatcher);
  await settle();
  await now.register(b.dispatcher);
  await settle();
  expect(old.closedBy?.kind).toBe('replaced');
  for (let turn = 0; turn < 10; turn += 1) {
    await clock.advance(heartbeatMsDefault);
    now.heartbeat(b.dispatcher);
  }
  expect(node()).toMatchObject({ state: 'ready', dispatcher: 'dispatcher@m/b' });
});

test('logs come from the nodes with a session; the others are named', async () => {
  addNode('n2');
  addTask('a');
  addTask('b', 'n2');
  addTask('c', '', 'pending');
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  const seen: string[] = [];
  let ended = false;
  const subscriber = {
    send: (message: { lines: { data: Buffer }[]; gaps: string[] }) => {
      seen.push(...message.gaps, ...message.lines.map(({ data }) => data.toString()));
      return true;
    },
    end: () => {
      ended = true;
    },
  };
  const range = { tail: -1, since: undefined, until: undefined, stdout: true, stderr: true };
  const request = { id: 'mine', taskIds: ['a', 'b', 'c'], follow: false, ...range };
  dispatcher.subscribeLogs(request, subscriber);
  const asked = agent.messages.map(({ body }) => body).find((b) => b?.$case === 'logSubscription');
  if (asked?.$case !== 'logSubscription') throw new Error('the agent was not asked');
  expect(asked.value.taskIds).toEqual(['a']);
  const publisher = { pause: () => undefined, resume: () => undefined, cancel: () => undefined };
  const line = { taskId: 'a', nodeId: '', stream: 1 as const, time: undefined, attributes: '' };
  const lines = (taskId: string) => ({
    subscriptionId: asked.value.id,
    lines: [{ ...line, taskId, data: Buffer.from(`from ${taskId}`) }],
    gaps: [],
    end: undefined,
  });
  expect(dispatcher.publishLogs('n2', lines('b'), publisher)).toBe(false);
  expect(dispatcher.publishLogs('n1', lines('a'), publisher)).toBe(true);
  expect(ended).toBe(false);
  dispatcher.publisherEnded('n1', publisher, false);
  expect(ended).toBe(true);
  expect(seen).toEqual(['node n2 is not available', 'task c has not been scheduled', 'from a']);
});

/** Another revision of the service, with these labels; its tasks stay as they are. */
function relabel(number: number, Labels: Record<string, string>): void {
  const service = log.view.services.get('s');
  if (service === undefined) throw new Error('no service');
  const id = revisionId('s', number);
  const revision = { id, meta, serviceId: 's', number, spec: { ...spec, Labels } };
  log.write([
    { op: 'update', table: 'service', object: { ...service, revision: number } },
    { op: 'create', table: 'revision', object: revision },
  ]);
}

test('a node is to measure its tasks while their service is scaled by load, and what it says is kept', async () => {
  const { dispatcher } = start();
  const agent = new FakeAgent('n1');
  await agent.register(dispatcher);
  addTask('t', 'n1', 'running');
  await settle();
  const measured = (): readonly unknown[] =>
    agent.messages.flatMap(({ body }) =>
      body?.$case === 'assignments'
        ? body.value.assignments.map(({ task }) => JSON.parse(task.toString()).measured)
        : [],
    );
  expect(measured()).toEqual([undefined]);
  const byLoad = { 'shoal.autoscale.max': '9', 'shoal.autoscale.cpu': '1' };
  relabel(2, { tier: 'front' });
  relabel(3, byLoad);
  relabel(4, { ...byLoad, tier: 'front' });
  await settle();
  expect(measured()).toEqual([undefined, true]);
  const load = { processors: 0.5, memoryBytes: 4_096 };
  agent.report(dispatcher, 't', { ...status('running'), load });
  await settle();
  expect(log.view.tasks.get('t')?.status.load).toEqual(load);
  agent.report(dispatcher, 't', { ...status('running'), load: { ...load, processors: -1 } });
  await settle();
  expect(log.view.tasks.get('t')?.status.load).toEqual(load);
  relabel(5, {});
  agent.report(dispatcher, 't', status('running'));
  await settle();
  expect(measured()).toEqual([undefined, true, undefined]);
  expect(log.view.tasks.get('t')?.status.load).toBeUndefined();
});
