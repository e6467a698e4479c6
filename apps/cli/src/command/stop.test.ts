import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { setStopped } from './stop.ts';

let directory: string;
let socket: string;
let fakeApi: Server;
let labels: Record<string, string>;
let updates: { url: string | undefined; body: unknown }[];
let said: string[];
const fakeTerminal: Terminal = {
  say: (line) => void said.push(line),
  print: (line) => void said.push(line),
};

beforeEach(async () => {
  [labels, updates, said] = [{ a: 'b' }, [], []];
  directory = mkdtempSync(join(tmpdir(), 'shoal-stop-'));
  socket = join(directory, 'docker.sock');
  fakeApi = createServer(async (request, response) => {
    if (request.method === 'GET') {
      const Spec = { Name: 'web', Labels: labels, TaskTemplate: { ForceUpdate: 3 } };
      response.end(JSON.stringify({ ID: 'w1', Version: { Index: 7 }, Spec }));
    } else {
      updates.push({ url: request.url, body: JSON.parse(await text(request)) });
      response.end(JSON.stringify({ Warnings: ['mind the gap'] }));
    }
  });
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(() => {
  fakeApi.close();
  rmSync(directory, { recursive: true });
});

test.each([
  [true, {}, { 'shoal.stopped': 'true' }, 'web stops'],
  [false, { 'shoal.stopped': 'true' }, {}, 'web starts'],
])(
  'stopped=%s changes the one label, of the version that was read',
  async (stopped, before, after, line) => {
    labels = { ...labels, ...before };
    await setStopped(stopped, ['web'], socket, fakeTerminal);
    const Labels = { a: 'b', ...after };
    const body = { Name: 'web', Labels, TaskTemplate: { ForceUpdate: 3 } };
    expect(updates).toEqual([{ url: '/services/w1/update?version=7', body }]);
    expect(said).toEqual(['mind the gap', line]);
  },
);

test.each([
  [true, { 'shoal.stopped': 'true' }, 'web is stopped already'],
  [false, {}, 'web is started already'],
])('what is so already is left alone: stopped=%s', async (stopped, before, line) => {
  labels = { ...labels, ...before };
  await setStopped(stopped, ['web'], socket, fakeTerminal);
  expect([updates, said]).toEqual([[], [line]]);
});
