import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Monotonic, systemClock, type Timer } from '@shoal/runtime';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineHttp } from '../executor/engine-http.ts';
import { usageMetrics } from './usage-metrics.ts';
import { UsageReader } from './usage-reader.ts';

const mebi = 1 << 20;
const hostMemoryBytes = 4_096 * mebi;

/** As an engine on version 2 of control groups answers. */
const stats = {
  cpu_stats: { cpu_usage: { total_usage: 2_500_000_000 } },
  memory_stats: { usage: 100 * mebi, limit: 256 * mebi, stats: { inactive_file: 30 * mebi } },
  networks: { eth0: { rx_bytes: 10, tx_bytes: 1 }, eth1: { rx_bytes: 5, tx_bytes: 2 } },
};

describe('what the tasks of a node use', () => {
  let directory: string;
  let fakeEngine: Server;
  let asked: string[];
  let containers: object[];
  let answer: (container: string, response: ServerResponse) => void;
  let onRead: (path: string) => void;
  let now: number;
  let timers: (() => void)[];
  let nodeId: string | undefined;
  let registry: Registry;

  beforeEach(async () => {
    [asked, timers, now, nodeId] = [[], [], 0, 'n1'];
    containers = ['web.1', 'web.2'].map((place) => container(`c-${place}`, place, `${place}-id`));
    answer = (_container, response) => response.end(JSON.stringify(stats));
    onRead = () => undefined;
    directory = mkdtempSync(join(tmpdir(), 'shoal-usage-'));
    const socket = join(directory, 'engine.sock');
    fakeEngine = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '', 'http://engine');
      asked.push(pathname);
      const [, id] = /^\/containers\/(.+)\/stats$/.exec(pathname) ?? [];
      if (id === undefined) response.end(JSON.stringify(containers));
      else answer(id, response);
    }).listen(socket);
    await once(fakeEngine, 'listening');
    const fakeClock: Clock = {
      ...systemClock,
      monotonic: () => now as Monotonic,
      after: (_ms, fire): Timer => {
        timers.push(fire);
        return { cancel: () => timers.splice(timers.indexOf(fire), 1) };
      },
    };
    const http = new EngineHttp(
      `unix://${socket}`,
      () => undefined,
      () => now,
    );
    const noting: Pick<EngineHttp, 'json'> = {
      json: async (name, call, shape) => {
        const result = await http.json(name, call, shape);
        onRead(call.path);
        return result;
      },
    };
    const reader = new UsageReader({
      http: noting,
      nodeId: () => nodeId,
      hostMemoryBytes,
      clock: fakeClock,
    });
    registry = new Registry();
    usageMetrics(registry, () => reader.read());
  });
  afterEach(() => {
    fakeEngine.closeAllConnections();
    fakeEngine.close();
    rmSync(directory, { recursive: true });
  });

  function container(Id: string, place: string, taskId: string, Created = 1): object {
    const Labels = {
      'com.docker.swarm.task.id': taskId,
      'com.docker.swarm.task.name': `${place}.${taskId}`,
      'com.docker.swarm.service.name': 'shop_web',
      'com.docker.stack.namespace': 'shop',
    };
    return { Id, Created, Labels };
  }

  const shown = async (name: string): Promise<readonly string[]> =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith(`shoal_task_${name}{`));

  test('is shown by service, stack and place', async () => {
    expect(await shown('cpu_seconds_total')).toEqual([
      'shoal_task_cpu_seconds_total{service="shop_web",stack="shop",task="web.1"} 2.5',
      'shoal_task_cpu_seconds_total{service="shop_web",stack="shop",task="web.2"} 2.5',
    ]);
    expect(await shown('memory_bytes')).toHaveLength(2);
    expect(await shown('memory_limit_bytes')).toHaveLength(2);
    expect(await shown('network_received_bytes_total')).toHaveLength(2);
    expect(await shown('network_sent_bytes_total')).toHaveLength(2);
  });

  test('is asked once for all who look at a time, and anew later', async () => {
    await Promise.all([registry.metrics(), registry.metrics()]);
    expect(asked).toHaveLength(3);
    now += 1_999;
    await registry.metrics();
    expect(asked).toHaveLength(3);
    now += 1;
    containers.pop();
    expect(await shown('memory_bytes')).toHaveLength(1);
    expect(asked).toHaveLength(5);
  });

  test('of two containers in one place the newer one is shown', async () => {
    containers.unshift(container('c-new', 'web.1', 'other', 2));
    await registry.metrics();
    expect(asked.slice(1).sort()).toEqual(['/containers/c-new/stats', '/containers/c-web.2/stats']);
  });

  test('leaves out what the engine does not answer for, and holds nobody up', async () => {
    onRead = (path) => {
      if (path === '/containers/c-web.2/stats') timers[0]?.();
    };
    answer = (id, response) => {
      if (id === 'c-web.2') response.end(JSON.stringify(stats));
    };
    expect(await shown('memory_bytes')).toEqual([expect.stringContaining('task="web.2"')]);
    expect(timers).toEqual([]);
  });

  test('is nothing without an engine that answers, and on a host in no swarm', async () => {
    answer = (_id, response) => response.writeHead(500).end('{"message":"no"}');
    expect(await shown('memory_bytes')).toEqual([]);
    now += 10_000;
    nodeId = undefined;
    asked = [];
    expect(await shown('memory_bytes')).toEqual([]);
    expect(asked).toEqual([]);
  });
});
