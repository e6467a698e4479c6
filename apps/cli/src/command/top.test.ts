import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { type Load, top } from './top.ts';

const megabyte = 1_000_000;
let directory: string;
let socket: string;
let fakeApi: Server;
let printed: string[];
let said: string[];
/** Seconds of processors that each container has used, and how many looks there were. */
let used: Map<string, number[]>;
let waits: number[];
/** What was asked for of the tasks. */
let filters: string;
const fakeTerminal: Terminal = {
  say: (line) => void said.push(line),
  print: (line) => void printed.push(line),
};
/** Time passes at once. */
const fakeClock = {
  after: (ms: number, fire: () => void) => {
    waits.push(ms);
    queueMicrotask(fire);
    return { cancel: () => undefined };
  },
};

const task = (ID: string, ServiceID: string, NodeID: string, Slot?: number, State = 'running') => ({
  ...{ ID, ServiceID, NodeID, Slot },
  Status: { State, ContainerStatus: { ContainerID: `c-${ID}` } },
});

beforeEach(async () => {
  [printed, said, waits] = [[], [], []];
  used = new Map([
    ['c-a', [10, 11]],
    ['c-b', [0, 0.5]],
    // Started again in between.
    ['c-d', [100, 1]],
  ]);
  const looks = new Map<string, number>();
  directory = mkdtempSync(join(tmpdir(), 'shoal-top-'));
  socket = join(directory, 'docker.sock');
  const answers: Readonly<Record<string, unknown>> = {
    '/tasks': [
      task('a', 's1', 'n1', 1),
      task('b', 's1', 'n2', 2),
      task('c', 's1', 'n2', 3, 'starting'),
      task('d', 's2', 'n2'),
      task('gone', 's2', 'n1'),
    ],
    '/services': [
      { ID: 's1', Spec: { Name: 'shop_web', Labels: { 'com.docker.stack.namespace': 'shop' } } },
      { ID: 's2', Spec: { Name: 'agent' } },
    ],
    '/nodes': [
      ...['n1', 'n2'].map((ID) => ({
        ID,
        Description: { Hostname: `host-${ID}`, Resources: { MemoryBytes: 8_000 * megabyte } },
      })),
      // Joined, and has not said what it is.
      { ID: 'n3', Description: { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} } },
    ],
  };
  fakeApi = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api');
    filters = searchParams.get('filters') ?? filters;
    const [, id = ''] = /^\/containers\/(.+)\/stats$/.exec(pathname) ?? [];
    const seconds = used.get(id);
    if (id === '') response.end(JSON.stringify(answers[pathname]));
    else if (seconds === undefined)
      response.writeHead(503).end(JSON.stringify({ message: 'node host-n1 is away' }));
    else {
      const at = looks.get(id) ?? 0;
      looks.set(id, at + 1);
      const limit = id === 'c-a' ? 200 * megabyte : 8_000 * megabyte;
      response.end(
        JSON.stringify({
          read: new Date(at * 2_000).toISOString(),
          cpu_stats: { cpu_usage: { total_usage: (seconds[at] ?? 0) * 1e9 } },
          memory_stats: { usage: 100 * megabyte, limit },
        }),
      );
    }
  });
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(() => {
  fakeApi.close();
  rmSync(directory, { recursive: true });
});

async function loads(by: 'service' | 'stack' | 'node' | 'task', ...services: string[]) {
  await top({ socket, by, services, json: true }, fakeClock, fakeTerminal);
  return (JSON.parse(printed[0] ?? '') as Load[]).map(
    ({ name, tasks, processors, memoryBytes, nearestToLimit }) =>
      [name, tasks, processors, memoryBytes / megabyte, nearestToLimit] as const,
  );
}

test('what tasks use is told by service, most first, over a moment', async () => {
  expect(await loads('service')).toEqual([
    ['shop_web', 2, 0.75, 200, 0.5],
    ['agent', 1, 0, 100, undefined],
  ]);
  expect(waits).toEqual([2_000]);
  expect(said).toEqual(['nothing is known of agent.host-n1: node host-n1 is away']);
});

test.each([
  [
    'stack',
    [
      ['shop', 2, 0.75, 200, 0.5],
      ['-', 1, 0, 100, undefined],
    ],
  ],
  [
    'node',
    [
      ['host-n1', 1, 0.5, 100, 0.5],
      ['host-n2', 2, 0.25, 200, undefined],
    ],
  ],
  [
    'task',
    [
      ['shop_web.1', 1, 0.5, 100, 0.5],
      ['shop_web.2', 1, 0.25, 100, undefined],
      ['agent.host-n2', 1, 0, 100, undefined],
    ],
  ],
] as const)('or by %s', async (by, expected) => {
  expect(await loads(by)).toEqual(expected);
});

test('of some services alone, of which there must be each', async () => {
  expect(await loads('service', 'shop_web')).toEqual([['shop_web', 2, 0.75, 200, 0.5]]);
  expect(said).toEqual([]);
  await expect(loads('service', 'nope')).rejects.toThrow('there is no service nope');
});

test('tasks of jobs are wanted until they complete, and use something too', async () => {
  await loads('service');
  expect(JSON.parse(filters)).toEqual({ 'desired-state': ['running', 'complete'] });
});

test('people read a table', async () => {
  await top({ socket, by: 'service', services: [], json: false }, fakeClock, fakeTerminal);
  expect(printed[0]).toBe(
    [
      'SERVICE    TASKS   PROCESSORS   MEMORY     NEAREST TO ITS LIMIT',
      'shop_web   2       0.75         200.0 MB   50 %',
      'agent      1       0.00         100.0 MB   -',
      '',
    ].join('\n'),
  );
});
