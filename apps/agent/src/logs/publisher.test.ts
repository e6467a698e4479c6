import { credentials, Server, ServerCredentials, type ServerReadableStream } from '@grpc/grpc-js';
import {
  DispatcherClient,
  DispatcherService,
  type LogLines,
  type LogSubscription,
  type PublishLogsResponse,
} from '@shoal/proto';
import { silentLogger } from '@shoal/runtime';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Engine, EngineResult } from '../executor/engine.ts';
import { agentMetrics } from '../metrics.ts';
import { LogPublisher, type TaskContainerName } from './publisher.ts';
import { type LogBatch, LogReadError, type LogRecord, type LogRequest } from './records.ts';

type Call = ServerReadableStream<LogLines, PublishLogsResponse>;

const all: LogSubscription = {
  id: 'sub',
  taskIds: ['t'],
  follow: false,
  tail: -1,
  since: undefined,
  until: undefined,
  stdout: true,
  stderr: true,
};

let server: Server;
let client: DispatcherClient;
let calls: Call[];
/** Whether the dispatcher takes what is sent from the beginning. */
let takes: boolean;
let received: LogLines[];
let ended: string[];
let registry: Registry;

beforeEach(async () => {
  [calls, received, ended, registry] = [[], [], [], new Registry()];
  takes = true;
  server = new Server();
  server.addService(DispatcherService, {
    publishLogs: (call: Call, callback: (error: null, value: PublishLogsResponse) => void) => {
      calls.push(call);
      call.on('data', (lines: LogLines) => received.push(lines));
      if (!takes) call.pause();
      for (const event of ['end', 'cancelled', 'error']) call.on(event, () => ended.push(event));
      call.on('end', () => callback(null, {}));
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  client = new DispatcherClient(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(() => {
  client.close();
  server.forceShutdown();
});

type Read = (request: LogRequest, signal: AbortSignal) => EngineResult<AsyncIterable<LogBatch>>;

function publisher(
  read: Read,
  container: TaskContainerName = { kind: 'known', name: 'web.1.t' },
): LogPublisher {
  const engine = {
    logs: async (name: string, request: LogRequest, signal: AbortSignal) => {
      expect(name).toBe('web.1.t');
      return read(request, signal);
    },
  } as unknown as Engine;
  return new LogPublisher({
    nodeId: 'n',
    engine,
    container: () => container,
    logger: silentLogger,
    metrics: agentMetrics(registry),
  });
}

function record(text: string): LogRecord {
  const data = Buffer.from(text);
  return { stream: 'stdout', time: { seconds: 1, nanos: 2 }, attributes: 'a=b', data };
}

function batches(counts: readonly number[], failure?: Error): ReturnType<Read> {
  async function* read(): AsyncGenerator<LogBatch> {
    let messages = 0;
    for (const count of counts) {
      const from = messages;
      messages += count;
      const records = Array.from({ length: count }, (_, at) => record(`${from + at}\n`));
      yield { records, messages };
    }
    if (failure !== undefined) throw failure;
  }
  return { kind: 'ok', value: read() };
}

const failed = (kind: 'unreachable' | 'not-found' | 'refused'): ReturnType<Read> => ({
  kind: 'failed',
  failure: { kind, message: 'so it is' },
});
const texts = () =>
  received.flatMap(({ lines }) => lines.map(({ data }) => data.toString().trim()));
const gaps = () => received.flatMap((message) => message.gaps);
const numbers = (count: number) => Array.from({ length: count }, (_, at) => `${at}`);

test.each<[string, ReturnType<Read>, Partial<LogSubscription>, object, number, string[]]>([
  ['all lines', batches([3, 1_500]), {}, { broken: false, whole: true }, 1_503, []],
  ['fewer than wanted', batches([3]), { tail: 4 }, { broken: false, whole: true }, 3, []],
  ['as many as wanted', batches([4]), { tail: 4 }, { broken: false, whole: false }, 4, []],
  [
    'since a time',
    batches([4]),
    { since: { seconds: 1, nanos: 0 } },
    { broken: false, whole: false },
    4,
    [],
  ],
  ['no container', failed('not-found'), {}, { broken: false, whole: true }, 0, []],
  ['refused', failed('refused'), {}, { broken: false, whole: false }, 0, ['task t: so it is']],
  ['no engine', failed('unreachable'), {}, { broken: true, whole: false }, 0, ['task t: so it is']],
  [
    'the engine goes away',
    batches([2], new Error('aborted')),
    {},
    { broken: true, whole: false },
    2,
    ['task t: aborted'],
  ],
  [
    'a broken log',
    batches([2], new LogReadError('bad file')),
    {},
    { broken: false, whole: false },
    2,
    ['task t: bad file'],
  ],
])('%s', async (_name, result, asked, end, lines, why) => {
  publisher(() => result).publish(client, { ...all, ...asked });
  await expect.poll(() => ended[0]).toBe('end');
  expect(texts()).toEqual(numbers(lines));
  expect([gaps(), received.at(-1)?.end]).toEqual([why, end]);
  expect(
    received.flatMap((message) => message.lines).every(({ attributes }) => attributes === 'a=b'),
  ).toBe(true);
  expect(received.every(({ subscriptionId }) => subscriptionId === 'sub')).toBe(true);
});

test.each<[string, TaskContainerName, boolean]>([
  ['the task has gone', { kind: 'known', name: undefined }, false],
  ['the node has just started', { kind: 'unknown' }, true],
])('%s', async (_name, container, broken) => {
  publisher(() => failed('refused'), container).publish(client, all);
  await expect.poll(() => ended[0]).toBe('end');
  expect(received.at(-1)?.end?.broken).toBe(broken);
});

test('a follower that leaves ends the read', async () => {
  let signal: AbortSignal | undefined;
  async function* endless(aborted: AbortSignal): AsyncGenerator<LogBatch> {
    yield { records: [record('first')], messages: 1 };
    await new Promise<void>((resolve) => aborted.addEventListener('abort', () => resolve()));
  }
  const logs = publisher((_request, given) => {
    signal = given;
    return { kind: 'ok', value: endless(given) };
  });
  logs.publish(client, { ...all, follow: true });
  await expect.poll(texts).toEqual(['first']);
  logs.cancel('sub');
  await expect.poll(() => ended).toContain('cancelled');
  expect(signal?.aborted).toBe(true);
  const open = await registry.getSingleMetric('shoal_agent_log_subscriptions')?.get();
  expect(open?.values).toMatchObject([{ value: 0 }]);
});

test('what the dispatcher does not take is not read from the engine', async () => {
  takes = false;
  let read = 0;
  async function* big(): AsyncGenerator<LogBatch> {
    const data = Buffer.alloc(60 << 10);
    for (; read < 300; read += 1) yield { records: [{ ...record(''), data }], messages: read + 1 };
  }
  publisher(() => ({ kind: 'ok', value: big() })).publish(client, all);
  await expect.poll(() => calls.length).toBe(1);
  let before = -1;
  await expect
    .poll(
      () => {
        const stands = read === before;
        before = read;
        return stands && read > 0;
      },
      { interval: 200 },
    )
    .toBe(true);
  expect(read).toBeLessThan(150);
  calls[0]?.resume();
  await expect.poll(() => received.at(-1)?.end, { timeout: 10_000 }).toBeDefined();
  expect(received.flatMap(({ lines }) => lines)).toHaveLength(300);
});
