import { type Instant, silentLogger } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { TaskStatus } from '@shoal/state';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TaskFiles } from '../files/task-files.ts';
import { noNetworking } from '../network/task-networking.ts';
import { FakeEngine } from '../testing/fake-engine.ts';
import { checkedAssignment, sampleNode } from '../testing/sample-task.ts';
import { sampleWorker, storeOf } from '../testing/sample-worker.ts';
import { TaskRunner } from './task-runner.ts';

let engine: FakeEngine;
let reported: TaskStatus[];
let runner: TaskRunner;
let stop: AbortController;
let clock: FakeClock;

function begin(taskId: string): TaskRunner {
  return new TaskRunner({
    assignment: checkedAssignment(taskId),
    status: { state: 'assigned', at: 0 as Instant, message: '', err: '' },
    engine,
    networking: noNetworking,
    files: new TaskFiles({
      folder: async () => ({ kind: 'none', message: 'not asked for' }),
      fetch: async () => [],
    }),
    node: () => sampleNode,
    pull: async () => ({ kind: 'ok', value: undefined }),
    clock,
    logger: silentLogger,
    onStatus: (_task, status) => reported.push(status),
    durable: async () => undefined,
  });
}

beforeEach(async () => {
  engine = new FakeEngine();
  reported = [];
  clock = new FakeClock(1);
  stop = new AbortController();
  await engine.watch('n', stop.signal, (_task, event) => runner.noticed(event));
  runner = begin('t');
  await vi.waitFor(() => expect(engine.runs('t')).toBe(true));
});
afterEach(async () => {
  stop.abort();
  await runner.close();
});

const states = (): string[] => reported.map(({ state }) => state);

describe('a container with a health check', () => {
  test('is starting while it runs, and running once it is healthy', async () => {
    await vi.waitFor(() => expect(states()).toContain('starting'));
    expect(states()).not.toContain('running');
    engine.becomes('t', 'healthy');
    await vi.waitFor(() => expect(states()).toContain('running'));
  });

  test('that never becomes healthy is stopped, and has failed in words of Swarm', async () => {
    await vi.waitFor(() => expect(states()).toContain('starting'));
    engine.becomes('t', 'unhealthy');
    await vi.waitFor(() => expect(runner.status.state).toBe('failed'));
    expect(runner.status.err).toBe('task: non-zero exit (0): dockerexec: unhealthy container');
    expect(states()).not.toContain('running');
    expect(engine.runs('t')).toBe(false);
  });

  test('that was healthy and no longer is has failed too', async () => {
    engine.becomes('t', 'healthy');
    await vi.waitFor(() => expect(runner.status.state).toBe('running'));
    engine.becomes('t', 'unhealthy');
    await vi.waitFor(() => expect(runner.status.state).toBe('failed'));
    expect(runner.status.err).toContain('dockerexec: unhealthy container');
    expect(engine.runs('t')).toBe(false);
  });

  test('that is unhealthy has not failed while the engine cannot stop it', async () => {
    await vi.waitFor(() => expect(states()).toContain('starting'));
    engine.becomes('t', 'healthy');
    await vi.waitFor(() => expect(states()).toContain('running'));
    const message = 'tried to kill container, but did not receive an exit event';
    vi.spyOn(engine, 'stop').mockResolvedValueOnce({
      kind: 'failed',
      failure: { kind: 'refused', message },
    });
    engine.becomes('t', 'unhealthy');
    await vi.waitFor(() => expect(engine.stop).toHaveBeenCalledTimes(1));
    expect([runner.status.state, engine.runs('t')]).toEqual(['running', true]);
    await vi.waitFor(async () => {
      await clock.advance(1_000);
      expect([runner.status.state, engine.runs('t')]).toEqual(['failed', false]);
    });
  });
});

test('a container that cannot be looked at after its start is looked at again', async () => {
  await runner.close();
  const beginning = begin('u');
  vi.spyOn(engine, 'inspect').mockResolvedValueOnce({
    kind: 'failed',
    failure: { kind: 'refused', message: 'context deadline exceeded' },
  });
  runner = beginning;
  await vi.waitFor(async () => {
    await clock.advance(1_000);
    expect(engine.inspect).toHaveBeenCalledTimes(2);
  });
  expect([runner.status.state, engine.runs('u')]).toEqual(['starting', true]);
});

test('a task that was unhealthy has failed, also when the agent is restarted while its container stops', async () => {
  const statuses = new Map<string, TaskStatus>();
  const engine = new FakeEngine();
  const before = sampleWorker({ engine, store: storeOf(statuses) });
  await vi.waitFor(() => expect(before.worker.engineSeen).toBe(true));
  before.worker.assignAll([checkedAssignment('t')]);
  await vi.waitFor(() => expect(engine.runs('t')).toBe(true));
  engine.becomes('t', 'healthy');
  await vi.waitFor(() => expect(before.worker.statuses.get('t')?.state).toBe('running'));
  const stop = vi.spyOn(engine, 'stop').mockReturnValue(new Promise(() => undefined));
  engine.becomes('t', 'unhealthy');
  await vi.waitFor(() => expect(stop).toHaveBeenCalled());
  await before.worker.stop();
  stop.mockRestore();
  engine.die('t', 0);
  const { worker } = sampleWorker({ engine, store: storeOf(statuses) });
  worker.assignAll([checkedAssignment('t')]);
  await vi.waitFor(() => expect(worker.statuses.get('t')?.state).toBe('failed'));
  await worker.stop();
});
