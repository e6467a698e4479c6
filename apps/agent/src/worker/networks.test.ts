import { type Instant, silentLogger } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { TaskAssignment, TaskStatus } from '@shoal/state';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TaskFiles } from '../files/task-files.ts';
import { noNetworking, type Prepared, type TaskNetworking } from '../network/task-networking.ts';
import { FakeEngine } from '../testing/fake-engine.ts';
import { sampleAssignment, sampleNode } from '../testing/sample-task.ts';
import { TaskRunner } from './task-runner.ts';

const retryMs = 1_000;

/** Notes what the runner asks of the networks; the test decides how long it takes. */
class FakeNetworking implements TaskNetworking {
  readonly steps: string[];
  prepared: Prepared = { kind: 'ok' };
  serving = Promise.resolve();
  draining = Promise.resolve();

  constructor(steps: string[]) {
    this.steps = steps;
  }

  async prepare(): Promise<Prepared> {
    return this.prepared;
  }

  joined(_assignment: TaskAssignment, containerId: string): void {
    this.steps.push(`joined ${containerId}`);
  }

  restored(): void {
    this.steps.push('restored');
  }

  serve(): Promise<void> {
    this.steps.push('serve');
    return this.serving;
  }

  drain(): Promise<void> {
    this.steps.push('drain');
    return this.draining;
  }

  gone(): void {
    this.steps.push('gone');
  }

  assigned(): void {}

  found(): void {}
}

let engine: FakeEngine;
let networking: FakeNetworking;
/** What happened, in order: states, calls of the networks and of the engine. */
let steps: string[];
let reported: TaskStatus[];
let clock: FakeClock;
let runner: TaskRunner | undefined;
let stop: AbortController;

beforeEach(async () => {
  [steps, reported] = [[], []];
  engine = new FakeEngine();
  networking = new FakeNetworking(steps);
  clock = new FakeClock(1);
  stop = new AbortController();
  for (const call of ['start', 'stop'] as const) {
    const real = engine[call].bind(engine);
    engine[call] = (id: string) => {
      steps.push(`engine ${call}`);
      return real(id);
    };
  }
  await engine.watch('n', stop.signal, (_task, event) => runner?.noticed(event));
});
afterEach(async () => {
  stop.abort();
  await runner?.close();
});

function begin(status: Partial<TaskStatus> = {}, of: TaskNetworking = networking): TaskRunner {
  runner = new TaskRunner({
    assignment: sampleAssignment(),
    status: { state: 'assigned', at: 0 as Instant, message: '', err: '', ...status },
    engine,
    networking: of,
    files: new TaskFiles({
      folder: async () => ({ kind: 'none', message: 'not asked for' }),
      fetch: async () => [],
    }),
    node: () => sampleNode,
    pull: async () => ({ kind: 'ok', value: undefined }),
    clock,
    logger: silentLogger,
    onStatus: (_task, next) => {
      reported.push(next);
      if (next.state !== reported.at(-2)?.state) steps.push(next.state);
    },
    durable: async () => undefined,
  });
  return runner;
}

const has = (step: string) => vi.waitFor(() => expect(steps).toContain(step));

async function running(): Promise<TaskRunner> {
  const begun = begin();
  await has('running');
  steps.length = 0;
  return begun;
}

test('a task is reachable before its container starts, and RUNNING when all hosts know it', async () => {
  const served = Promise.withResolvers<void>();
  networking.serving = served.promise;
  begin();
  await has('serve');
  expect(steps.slice(steps.indexOf('starting'))).toEqual([
    'starting',
    'joined container-of-t',
    'engine start',
    'serve',
  ]);
  served.resolve();
  await has('running');
});

test('a task waits in PREPARING, with a message, while its network is not there', async () => {
  networking.prepared = { kind: 'waiting', message: 'network demo is not built' };
  begin();
  await vi.waitFor(() =>
    expect(reported.at(-1)).toMatchObject({
      state: 'preparing',
      message: 'preparing: network demo is not built',
      err: 'network demo is not built',
    }),
  );
  await clock.advance(5 * retryMs);
  expect(engine.containers.size).toBe(0);
  networking.prepared = { kind: 'ok' };
  await vi.waitFor(async () => {
    await clock.advance(retryMs);
    expect(steps).toContain('running');
  });
  expect(reported.map(({ state, err }) => [state, err])).toContainEqual(['ready', '']);
  expect(reported.at(-1)).toMatchObject({ err: '' });
});

test('a network that can never be there rejects the task', async () => {
  networking.prepared = { kind: 'impossible', message: 'this kernel cannot encrypt' };
  begin();
  await has('rejected');
  expect(reported.at(-1)?.err).toBe('this kernel cannot encrypt');
});

test.each(['waiting', 'impossible'] as const)(
  'of a long reason (%s) the beginning is told',
  async (kind) => {
    networking.prepared = { kind, message: 'x'.repeat(100_000) };
    begin();
    await vi.waitFor(() => {
      const { message = '', err = '' } = reported.at(-1) ?? {};
      expect((kind === 'waiting' ? message : err).length).toBe(4_096);
    });
  },
);

test('nobody is sent to a container any more before it gets its signal', async () => {
  const drained = Promise.withResolvers<void>();
  const task = await running();
  networking.draining = drained.promise;
  task.update(sampleAssignment({ desired: 'shutdown' }));
  await has('drain');
  expect(steps).toEqual(['drain']);
  drained.resolve();
  await has('shutdown');
  expect(steps).toEqual(['drain', 'engine stop', 'gone', 'shutdown']);
});

test('a container that dies is withdrawn before anything else', async () => {
  await running();
  engine.die('t', 1);
  expect(steps).toEqual(['gone']);
  await has('failed');
});

test('an unhealthy container is drained, and the log hears at once that it does not serve', async () => {
  const drained = Promise.withResolvers<void>();
  await running();
  networking.draining = drained.promise;
  engine.becomes('t', 'unhealthy');
  await has('drain');
  expect(reported.at(-1)).toMatchObject({
    state: 'running',
    err: 'dockerexec: unhealthy container',
  });
  expect(steps).not.toContain('engine stop');
  drained.resolve();
  await has('failed');
});

test('a container that ran on while the agent did not is neither started nor announced anew', async () => {
  await running();
  await runner?.close();
  steps.length = 0;
  begin({ state: 'running', container: { id: 'container-of-t', pid: 1, exitCode: 0 } });
  await has('restored');
  expect(steps).toEqual(['restored']);
});

test('the container of a task that is removed is drained too', async () => {
  const task = await running();
  expect(await task.remove()).toBe(true);
  expect(steps).toEqual(['drain', 'engine stop', 'gone']);
});

test('a host without overlay networks says so', async () => {
  const network = { networkId: 'n', addresses: [], driverOptions: {}, record: {} as never };
  expect(await noNetworking.prepare(sampleAssignment({ networks: [network] }))).toEqual({
    kind: 'waiting',
    message: 'this host has no overlay networks',
  });
  expect(await noNetworking.prepare(sampleAssignment())).toEqual({ kind: 'ok' });
});
