import { silentLogger } from '@shoal/runtime';
import { FakeClock } from '@shoal/stage/testing';
import type { TaskStatus } from '@shoal/state';
import { Registry } from 'prom-client';
import { TaskFiles } from '../files/task-files.ts';
import { agentMetrics } from '../metrics.ts';
import { noNetworking } from '../network/task-networking.ts';
import { Worker, type WorkerOptions } from '../worker/worker.ts';
import { FakeEngine } from './fake-engine.ts';
import { sampleNode } from './sample-task.ts';

/** Statuses that a former worker may have left. */
export function storeOf(statuses: Map<string, TaskStatus>): WorkerOptions['store'] {
  return {
    belongTo: () => undefined,
    get: (taskId) => statuses.get(taskId),
    put: (taskId, status) => void statuses.set(taskId, status),
    delete: (taskId) => void statuses.delete(taskId),
    get taskIds() {
      return [...statuses.keys()];
    },
    durable: async () => undefined,
  };
}

/** A worker of node `n` on a fake engine, with what its tasks are said to be. */
export function sampleWorker(more: Partial<WorkerOptions> = {}) {
  const engine = new FakeEngine();
  const clock = new FakeClock(1);
  const statuses = new Map<string, TaskStatus>();
  const worker = new Worker({
    nodeId: 'n',
    engine,
    store: storeOf(statuses),
    networking: noNetworking,
    files: new TaskFiles({
      folder: async () => ({ kind: 'none', message: 'not asked for' }),
      fetch: async () => [],
    }),
    node: () => sampleNode,
    clock,
    logger: silentLogger,
    metrics: agentMetrics(new Registry()),
    onStatus: () => undefined,
    ...more,
  });
  return { worker, engine, clock, statuses };
}
