import { silentLogger } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { TaskState, TaskStatus } from '@shoal/state';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TaskFiles } from '../files/task-files.ts';
import { agentMetrics } from '../metrics.ts';
import { noNetworking } from '../network/task-networking.ts';
import { FakeEngine } from '../testing/fake-engine.ts';
import { checkedAssignment, sampleNode } from '../testing/sample-task.ts';
import { Worker } from './worker.ts';

let engine: FakeEngine;
let registry: Registry;
let worker: Worker;
/** Statuses in the order they were told, and which of them may wait. */
let told: { taskId: string; state: TaskState; mayWait: boolean }[];

beforeEach(() => {
  engine = new FakeEngine();
  registry = new Registry();
  told = [];
  const statuses = new Map<string, TaskStatus>();
  worker = new Worker({
    nodeId: 'n',
    engine,
    store: {
      belongTo: () => undefined,
      get: (taskId) => statuses.get(taskId),
      put: (taskId, status) => void statuses.set(taskId, status),
      delete: (taskId) => void statuses.delete(taskId),
      taskIds: [],
      durable: async () => undefined,
    },
    networking: noNetworking,
    files: new TaskFiles({
      folder: async () => ({ kind: 'none', message: 'not asked for' }),
      fetch: async () => [],
    }),
    node: () => sampleNode,
    clock: new FakeClock(1),
    logger: silentLogger,
    metrics: agentMetrics(registry),
    onStatus: (taskId, { state }, mayWait) => told.push({ taskId, state, mayWait }),
  });
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
