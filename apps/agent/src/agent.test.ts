import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Identity } from '@shoal/pki';
import { silentLogger, systemRandom } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import { loadPeriodMs, type TaskAssignment } from '@shoal/state';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Agent, statusFile } from './agent.ts';
import { agentMetrics } from './metrics.ts';
import { FakeDispatcher } from './testing/fake-dispatcher.ts';
import { FakeEngine } from './testing/fake-engine.ts';
import { FakeAuthority, nodeId } from './testing/fake-identity.ts';
import { StatusStore } from './worker/status-store.ts';

const stepMs = 10;
/** For times in which little happens. */
const leapMs = 500;
const patienceTurns = 20_000;

let dataDir: string;
let clock: FakeClock;
let authority: FakeAuthority;
let engine: FakeEngine;
let dispatchers: FakeDispatcher[];
let identity: Identity;
let registry: Registry;
let agent: Agent;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shoal-agent-'));
  // Certificates are checked by the real time of day.
  clock = new FakeClock(Date.now());
  authority = await FakeAuthority.start(clock.now());
  engine = new FakeEngine();
  dispatchers = [];
  for (let at = 0; at < 3; at += 1) {
    const proof = await authority.issue('manager', clock.now(), undefined, `m${at}`);
    const dispatcher = new FakeDispatcher(proof);
    dispatcher.assignments = [{ ...assignment('a'), measured: true }, assignment('b')];
    await dispatcher.start();
    dispatchers.push(dispatcher);
  }
  const managers = dispatchers.map(({ address }, at) => ({
    nodeId: `m${at}`,
    logAddr: '127.0.0.1:1',
    dispatcherAddr: address,
  }));
  identity = await authority.worker(clock.now(), managers);
  registry = new Registry();
  const store = await StatusStore.open(statusFile(dataDir), silentLogger, clock);
  agent = new Agent({
    identity,
    updateIdentity: async (change) => {
      identity = change(identity);
      agent.renew(identity);
      return identity;
    },
    isOwnAddress: (address) => address === '10.0.0.9',
    engine,
    runDir: dataDir,
    store,
    version: '0',
    clock,
    random: systemRandom,
    logger: silentLogger,
    metrics: agentMetrics(registry),
    usageOf: async () => ({ cpuSeconds: clock.monotonic() / 2_000, memoryBytes: 4_096 }),
  });
});
afterEach(async () => {
  await agent.stop();
  for (const dispatcher of dispatchers) dispatcher.kill();
  await rm(dataDir, { recursive: true, force: true });
});

function assignment(taskId: string): TaskAssignment {
  return {
    taskId,
    serviceId: 's',
    serviceName: 's',
    serviceLabels: {},
    slot: 1,
    nodeId,
    desired: 'running',
    template: { ContainerSpec: { Image: 'i' }, ForceUpdate: 0 },
    hostPorts: [],
    localNetworks: [],
    registryAuth: undefined,
  };
}

/** Lets virtual time go on, slowly enough for what is real: sockets, files, keys. Returns how much it took. */
async function until(what: string, holds: () => boolean): Promise<number> {
  const since = clock.monotonic();
  for (let turn = 0; turn < patienceTurns; turn += 1) {
    if (holds()) return clock.monotonic() - since;
    await clock.advance(stepMs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`waited in vain: ${what}`);
}

const held = (): FakeDispatcher => {
  const found = dispatchers.find(({ sessions }) => sessions > 0);
  if (found === undefined) throw new Error('no session');
  return found;
};
const hasSession = (): boolean => dispatchers.some(({ sessions }) => sessions > 0);
const heard = (taskId: string): string | undefined =>
  dispatchers
    .map(({ statuses }) => statuses.get(taskId)?.state)
    .find((state) => state !== undefined);

async function running(): Promise<void> {
  await until('both tasks run', () => heard('a') === 'running' && heard('b') === 'running');
}

describe('a session', () => {
  test('is shown to be there or not, only where the host is in a swarm', async () => {
    const shown = async (): Promise<string | undefined> =>
      /^shoal_agent_session_up .*$/m.exec(await registry.metrics())?.[0];
    expect(await shown()).toBe('shoal_agent_session_up 0');
    await running();
    expect(await shown()).toBe('shoal_agent_session_up 1');
    for (const dispatcher of dispatchers) dispatcher.kill();
    await until('the session is lost', () => !agent.health.ready);
    expect(await shown()).toBe('shoal_agent_session_up 0');
    await agent.stop();
    expect(await shown()).toBeUndefined();
  });

  test('moves to another dispatcher soon after its own is killed', async () => {
    await running();
    const [before, started] = [held(), engine.started];
    before.kill();
    const tookMs = await until('another session', () => hasSession() && agent.health.ready);
    expect(tookMs).toBeLessThan(2_000);
    expect(held()).not.toBe(before);
    expect(engine.started).toBe(started);
    expect(engine.touched).toEqual([]);
  });

  test('is told what measured tasks use, also by the next dispatcher', async () => {
    await running();
    const load = (taskId: string): unknown => held().statuses.get(taskId)?.load;
    for (let passedMs = 0; passedMs < 2 * loadPeriodMs; passedMs += leapMs) {
      await clock.advance(leapMs);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until('it has told', () => load('a') !== undefined);
    expect(load('a')).toEqual({ processors: 0.5, memoryBytes: 4_096 });
    expect(load('b')).toBeUndefined();
    held().kill();
    await until('another session', () => hasSession() && agent.health.ready);
    await until('it is told again', () => heard('a') !== undefined && load('a') !== undefined);
  });

  test('finds the one dispatcher that lives among dead ones', async () => {
    await running();
    const [one, two] = dispatchers.filter((each) => each !== held());
    if (one === undefined || two === undefined) throw new Error('three dispatchers');
    one.kill();
    held().kill();
    expect(await until('another session', () => two.sessions > 0)).toBeLessThan(3_000);
  });

  test('survives a renewal of the certificate', async () => {
    await running();
    const registrations = held().registrations;
    const proof = await authority.issue('worker', clock.now());
    identity = { ...identity, ...proof };
    agent.renew(identity);
    const { heartbeats } = held();
    await until('it goes on', () => held().heartbeats > heartbeats);
    expect(held().registrations).toBe(registrations);
    held().kill();
    await until('the new certificate works', () => hasSession());
  });

  test('tells of trust roots that change while it registers', async () => {
    await running();
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const dispatcher of dispatchers) dispatcher.registering = promise;
    const before = held();
    before.kill();
    await until('another session begins', hasSession);
    const [told, other] = [held(), await FakeAuthority.start(clock.now())];
    const described = told.descriptions.length;
    const caCertificate = `${identity.caCertificate}${other.ca.certificate}`;
    identity = { ...identity, caCertificate };
    agent.renew(identity);
    await until('two seconds', elapsed(2_000));
    resolve();
    await until('it is told', () => told.descriptions.length > described);
    expect(told.descriptions.at(-1)?.TLSInfo?.TrustRoot).toBe(caCertificate);
  });

  test('moves the host where the managers see it, unless its user named an address', async () => {
    await running();
    const seen = {
      id: nodeId,
      spec: { Labels: {}, Role: 'worker', Availability: 'active' },
      role: 'worker',
      status: { state: 'ready', message: '', addr: '10.0.0.9', dispatcher: '' },
    };
    const swarm = {
      node: Buffer.from(JSON.stringify(seen)),
      managers: [],
      trustRoots: identity.caCertificate,
      issuer: '',
      gossipKeys: [],
    };
    const anew = async (advertiseNamed: boolean): Promise<void> => {
      identity = { ...identity, advertiseNamed };
      agent.renew(identity);
      const before = held();
      for (const dispatcher of dispatchers) dispatcher.swarm = swarm;
      before.kill();
      await until('another session', () => hasSession() && agent.health.ready);
      await before.start();
    };
    await anew(true);
    expect(identity.advertiseAddr).toBe('127.0.0.1');
    await anew(false);
    await until('it moved', () => identity.advertiseAddr === '10.0.0.9');
  });

  test('with a dispatcher that cannot be understood is left for long, and the tasks run on', async () => {
    await running();
    const node = Buffer.from('{"id":1}');
    const swarm = { node, managers: [], trustRoots: '', issuer: '', gossipKeys: [] };
    for (const dispatcher of dispatchers) dispatcher.swarm = swarm;
    const registrations = () => dispatchers.reduce((sum, each) => sum + each.registrations, 0);
    held().kill();
    await until('it is left', () => !hasSession() && registrations() > 3);
    const before = registrations();
    await until('ten seconds', elapsed(10_000));
    expect(registrations() - before).toBeLessThan(25);
    for (const dispatcher of dispatchers) dispatcher.swarm = undefined;
    await until('a session', () => hasSession() && agent.health.ready);
    expect(engine.touched).toEqual([]);
  }, 60_000);

  test('that ends each time it has begun is tried again more and more seldom', async () => {
    await running();
    for (const dispatcher of dispatchers) dispatcher.endsSessions = true;
    const registrations = () => dispatchers.reduce((sum, each) => sum + each.registrations, 0);
    const before = registrations();
    held().kill();
    await until('a minute', elapsed(60_000));
    expect(registrations() - before).toBeGreaterThan(5);
    expect(registrations() - before).toBeLessThan(30);
    for (const dispatcher of dispatchers) dispatcher.endsSessions = false;
    await until('a session', () => hasSession() && agent.health.ready);
    expect(engine.touched).toEqual([]);
  }, 60_000);

  test('tells all statuses again: the log may have lost what it acknowledged', async () => {
    await running();
    for (const dispatcher of dispatchers) {
      dispatcher.statuses.clear();
      dispatcher.kill();
      await dispatcher.start();
    }
    await running();
  });
});

describe('an engine that is stopped', () => {
  test('is waited for as long as a restart takes, and the session goes on', async () => {
    await running();
    const { registrations } = held();
    engine.stopItself();
    await until('ten seconds', elapsed(10_000));
    expect(agent.health).toEqual({ ready: false, detail: 'the engine cannot be reached' });
    engine.startItself();
    await until('a minute', elapsed(60_000));
    expect(held().registrations).toBe(registrations);
    expect(agent.health.ready).toBe(true);
  }, 60_000);

  test('leaves the node without a session until it answers again', async () => {
    await running();
    engine.stopItself();
    const tookMs = await until('the session ends', () => !hasSession());
    expect(tookMs).toBeGreaterThan(10_000);
    expect(tookMs).toBeLessThan(20_000);
    await until('a minute', elapsed(60_000));
    expect(hasSession()).toBe(false);
    expect(agent.health.detail).toContain('no session until it answers');
    for (const { statuses } of dispatchers) statuses.clear();
    engine.startItself();
    expect(await until('a session', hasSession)).toBeLessThan(5_000);
    await until('what ended is told', () => heard('a') === 'failed' && heard('b') === 'failed');
  }, 60_000);
});

test('an engine that hangs is missed as one that is away is, and found again', async () => {
  await running();
  const calls = ['describe', 'create', 'start', 'inspect', 'stop', 'remove', 'list'] as const;
  const hang = () => new Promise<never>(() => undefined);
  const hung = calls.map((call) => vi.spyOn(engine, call).mockImplementation(hang));
  await until('a minute', elapsed(60_000));
  expect(hasSession()).toBe(true);
  const tookMs = await until('the session ends', () => !hasSession());
  expect(tookMs).toBeLessThan(35_000);
  expect(agent.health.ready).toBe(false);
  for (const call of hung) call.mockRestore();
  await until('a session', hasSession);
  await until('the engine is seen', () => agent.health.ready);
}, 120_000);

test('cut off for a minute the containers run on, and what happened is reported afterwards', async () => {
  await running();
  const [started, last] = [engine.started, held()];
  for (const dispatcher of dispatchers) dispatcher.kill();
  await until('ten seconds', elapsed(10_000));
  expect(agent.health.ready).toBe(false);
  engine.die('b', 3);
  await until('a minute', elapsed(50_000));
  expect(engine.runs('a')).toBe(true);
  expect(engine.touched).toEqual([]);
  expect(last.statuses.get('b')?.state).toBe('running');
  for (const dispatcher of dispatchers) {
    dispatcher.statuses.clear();
    await dispatcher.start();
  }
  // No pause between attempts is longer than eight seconds.
  expect(await until('a session', hasSession)).toBeLessThan(10_000);
  await until('the report', () => heard('b') === 'failed');
  const status = held().statuses.get('b');
  expect(status).toMatchObject({ state: 'failed', container: { exitCode: 3 } });
  expect(engine.runs('a')).toBe(true);
  expect(engine.started).toBe(started);
  expect(engine.touched).toEqual([]);
}, 60_000);

function elapsed(ms: number): () => boolean {
  const end = clock.monotonic() + ms;
  return () => clock.monotonic() >= end;
}
