import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readHostConfig } from '../host/config.ts';
import { askSupervisor, serveControl } from './control.ts';

let directory: string;
let path: string;
let server: Server | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-control-'));
  path = join(directory, 'supervisor.sock');
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => socket.end(text));
    let reply = '';
    socket.on('data', (chunk) => {
      reply += chunk.toString();
    });
    socket.on('end', () => resolve(reply));
    socket.on('error', reject);
  });
}

test('nobody answers where nobody listens, nor at a file left behind', async () => {
  expect(await askSupervisor(path, { command: 'status' })).toBeUndefined();
  writeFileSync(path, '');
  expect(await askSupervisor(path, { command: 'status' })).toBeUndefined();
});

test('a request gets its answer, over a file for its owner alone', async () => {
  writeFileSync(path, 'left behind');
  server = await serveControl(path, async ({ command }) => {
    return command === 'stop' ? { kind: 'stopped' } : { kind: 'error', message: command };
  });
  expect(await askSupervisor(path, { command: 'stop' })).toEqual({ kind: 'stopped' });
  expect(await askSupervisor(path, { command: 'status' })).toEqual({
    kind: 'error',
    message: 'status',
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('one that does not say how it is is silent, but a stop takes as long as it takes', async () => {
  const stopped = Promise.withResolvers<{ readonly kind: 'stopped' }>();
  server = await serveControl(path, () => stopped.promise);
  const stop = askSupervisor(path, { command: 'stop' }, 20);
  expect(await askSupervisor(path, { command: 'status' }, 200)).toEqual({ kind: 'silent' });
  stopped.resolve({ kind: 'stopped' });
  expect(await stop).toEqual({ kind: 'stopped' });
});

test('a supervisor of before that tells no builds is understood', async () => {
  const outcome = readHostConfig({});
  if (outcome.kind !== 'config') throw new Error(outcome.message);
  const child = {
    process: 'api',
    state: 'running',
    pid: 1,
    restarts: 0,
    uptimeMs: 1,
    lastExit: '',
  };
  const status = { kind: 'status', pid: 1, config: outcome.config, processes: [child] };
  const old = createServer((socket) => socket.end(`${JSON.stringify(status)}\n`));
  server = old;
  await new Promise<void>((resolve) => old.listen(path, resolve));
  expect(await askSupervisor(path, { command: 'status' })).toEqual({
    ...status,
    build: '',
    processes: [{ ...child, build: '' }],
  });
});

test.each([
  ['of a build with other flags', '{"kind":"status","pid":1,"config":{},"processes":[]}'],
  ['no JSON', 'I am well'],
])('a supervisor whose answer is %s is one that does not say how it is', async (_what, text) => {
  const other = createServer((socket) => socket.end(`${text}\n`));
  server = other;
  await new Promise<void>((resolve) => other.listen(path, resolve));
  expect(await askSupervisor(path, { command: 'status' })).toEqual({ kind: 'silent' });
});

test.each([
  ['unknown', '{"command":"dance"}\n'],
  ['no JSON', 'status\n'],
  ['empty', '\n'],
  ['too long', 'x'.repeat(10_000)],
  ['without its end', '{"command":"status"}'],
])('a request that is %s is answered with an error', async (_what, text) => {
  server = await serveControl(path, async () => ({ kind: 'stopped' }));
  expect(JSON.parse(await raw(text))).toMatchObject({ kind: 'error' });
  expect(await askSupervisor(path, { command: 'stop' })).toEqual({ kind: 'stopped' });
});
