import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FakeClock } from '@shoal/stage/testing';
import type { TaskState, TaskStatus } from '@shoal/state';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { EngineResult } from '../executor/engine.ts';
import { TaskFiles } from '../files/task-files.ts';
import { agentMetrics } from '../metrics.ts';
import type { FakeEngine } from '../testing/fake-engine.ts';
import { checkedAssignment } from '../testing/sample-task.ts';
import { sampleWorker } from '../testing/sample-worker.ts';
import { removeAll, type Worker } from './worker.ts';

const unreachable: EngineResult<undefined> = {
  kind: 'failed',
  failure: { kind: 'unreachable', message: 'socket hang up' },
};
const refused: EngineResult<undefined> = {
  kind: 'failed',
  failure: { kind: 'refused', message: 'device or resource busy' },
};

let engine: FakeEngine;
let clock: FakeClock;
let registry: Registry;
let worker: Worker;
/** Statuses in the order they were told, and which of them may wait. */
let told: { taskId: string; state: TaskState; mayWait: boolean }[];

beforeEach(() => {
  registry = new Registry();
  told = [];
  ({ worker, engine, clock } = sampleWorker({
    metrics: agentMetrics(registry),
    onStatus: (taskId, { state }, mayWait) => told.push({ taskId, state, mayWait }),
  }));
});
afterEach(() => worker.stop());

const states = () => [...worker.statuses.values()].map(({ state }) => state);
const ran = () => told.filter(({ state }) => state === 'running');

test('that a task runs may wait while others are on their way; the last is told at once', async () => {
  worker.assignAll(['a', 'b', 'c'].map(checkedAssignment));
  await vi.waitFor(() => expect(states()).toEqual(['starting', 'starting', 'starting']));
  for (const [at, taskId] of ['b', 'a', 'c'].entries()) {
    engine.becomes(taskId, 'healthy');
    await vi.waitFor(() => expect(ran()).toHaveLength(at + 1));
  }
  expect(ran()).toEqual([
    { taskId: 'b', state: 'running', mayWait: true },
    { taskId: 'a', state: 'running', mayWait: true },
    { taskId: 'c', state: 'running', mayWait: false },
  ]);
});

test('an end is told at once, whatever else is on its way', async () => {
  worker.assignAll(['a', 'b'].map(checkedAssignment));
  await vi.waitFor(() => expect(states()).toEqual(['starting', 'starting']));
  engine.die('a', 3);
  await vi.waitFor(() =>
    expect(told.at(-1)).toEqual({ taskId: 'a', state: 'failed', mayWait: false }),
  );
});

test('the states of its tasks are counted when somebody asks', async () => {
  worker.assignAll(['a', 'b'].map(checkedAssignment));
  await vi.waitFor(() => expect(states()).toEqual(['starting', 'starting']));
  engine.becomes('a', 'healthy');
  await vi.waitFor(() => expect(ran()).toHaveLength(1));
  const text = await registry.metrics();
  expect(text).toContain('shoal_agent_tasks{state="starting"} 1');
  expect(text).toContain('shoal_agent_tasks{state="running"} 1');
});

test('everything assigned anew, each status is told again', async () => {
  worker.assignAll(['a', 'b'].map(checkedAssignment));
  await vi.waitFor(() => expect(states()).toEqual(['starting', 'starting']));
  engine.die('b', 3);
  await vi.waitFor(() => expect(states()).toEqual(['starting', 'failed']));
  told = [];
  worker.assignAll(['a', 'b'].map(checkedAssignment));
  expect(told).toEqual([
    { taskId: 'a', state: 'starting', mayWait: true },
    { taskId: 'b', state: 'failed', mayWait: false },
  ]);
});

describe('a container that is to go', () => {
  const hourMs = 3_600_000;
  const cases: readonly [what: string, call: 'stop' | 'remove', failure: typeof refused][] = [
    ['cannot be stopped for want of an answer', 'stop', unreachable],
    ['cannot be removed for want of an answer', 'remove', unreachable],
    ['is not removed by the engine', 'remove', refused],
  ];

  test.each(cases)('and %s is tried again: its task was deleted', async (_what, call, failure) => {
    worker.assignAll([checkedAssignment('a')]);
    await vi.waitFor(() => expect(states()).toEqual(['starting']));
    const failing = vi.spyOn(engine, call);
    for (let times = 0; times < 3; times += 1) failing.mockResolvedValueOnce(failure);
    worker.assign([], ['a']);
    await clock.advance(hourMs);
    expect(engine.containers.size).toBe(0);
    expect(failing).toHaveBeenCalledTimes(4);
  });

  test.each(cases)('and %s is tried again: nobody knows of it', async (_what, call, failure) => {
    await vi.waitFor(() => expect(worker.engineSeen).toBe(true));
    await engine.create(checkedAssignment('stray'));
    await engine.start('container-of-stray');
    vi.spyOn(engine, call).mockResolvedValueOnce(failure);
    worker.assignAll([]);
    await clock.advance(hourMs);
    expect(engine.containers.size).toBe(0);
  });
});

test('a host that left has neither containers nor files of tasks', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-left-'));
  await writeFile(join(folder, 't'), 'hush');
  const files = new TaskFiles({
    folder: async () => ({ kind: 'folder', path: folder }),
    fetch: async () => [],
  });
  const statuses = new Map<string, TaskStatus>();
  for (const taskId of ['t', 'by-hand']) {
    await engine.create(checkedAssignment(taskId));
    await engine.start(`container-of-${taskId}`);
  }
  engine.renamed.add('container-of-by-hand');
  const metrics = agentMetrics(new Registry());
  const leave = () => removeAll(engine, files, 'n', metrics, statuses);
  vi.spyOn(engine, 'stop').mockResolvedValueOnce(unreachable);
  expect(await leave()).toEqual({ kind: 'unknown' });
  vi.spyOn(engine, 'remove').mockResolvedValueOnce(refused);
  expect(await leave()).toEqual({ kind: 'refused', containers: ['container-of-t'] });
  expect(await readdir(folder)).toEqual(['t']);
  expect(await leave()).toEqual({ kind: 'nothing' });
  expect([[...engine.containers.keys()], await readdir(folder)]).toEqual([
    ['container-of-by-hand'],
    [],
  ]);
  await rm(folder, { recursive: true });
});

test('who stops does not wait for a start that hangs, and does nothing more when it ends', async () => {
  const start = Promise.withResolvers<EngineResult<undefined>>();
  vi.spyOn(engine, 'start').mockReturnValueOnce(start.promise);
  worker.assignAll([checkedAssignment('t')]);
  await vi.waitFor(() => expect(engine.start).toHaveBeenCalled());
  await worker.stop();
  const inspections = vi.spyOn(engine, 'inspect');
  start.resolve({ kind: 'ok', value: undefined });
  await new Promise(setImmediate);
  expect(inspections).not.toHaveBeenCalled();
  expect(worker.statuses.get('t')?.state).toBe('starting');
});
