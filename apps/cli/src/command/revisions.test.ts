import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { rollBack, showHistory } from './revisions.ts';

const revision = (number: number, image: string, rest: object = {}): object => ({
  Number: number,
  CreatedAt: '2026-01-02T03:04:05.123456789Z',
  Current: false,
  Previous: false,
  RunningTasks: 0,
  Spec: {
    TaskTemplate: { ContainerSpec: { Image: image } },
    Mode: { Replicated: { Replicas: 3 } },
  },
  ...rest,
});

const answers: Readonly<Record<string, readonly [number, object]>> = {
  'GET /shoal/v1/services/web/revisions': [
    200,
    {
      Name: 'web',
      Revisions: [
        revision(2, 'busybox:2@sha256:abc', { Current: true, RunningTasks: 3 }),
        revision(1, 'busybox:1', { Previous: true }),
      ],
    },
  ],
  'POST /shoal/v1/services/web/rollback?to=1': [200, { ID: 'x', From: 2, To: 1 }],
  'POST /shoal/v1/services/web/rollback': [200, { ID: 'x', From: 2, To: 1 }],
  'POST /shoal/v1/services/web/rollback?to=7': [404, { message: 'no such revision' }],
};

let directory: string;
let socket: string;
let fakeApi: Server;
let printed: string;
const fakeTerminal: Terminal = {
  say: () => undefined,
  print: (text) => {
    printed += text;
  },
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-revisions-'));
  socket = join(directory, 'docker.sock');
  printed = '';
  fakeApi = createServer((request, response) => {
    const [status, body] = answers[`${request.method} ${request.url}`] ?? [404, {}];
    response.writeHead(status).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(async () => {
  await new Promise((resolve) => fakeApi.close(resolve));
  rmSync(directory, { recursive: true });
});

test('history shows a row for each revision, without digests', async () => {
  await showHistory(socket, 'web', false, fakeTerminal);
  const rows = printed.split('\n').map((row) => row.trim().split(/ {3,}/));
  expect(rows[1]).toEqual(['2', '2026-01-02T03:04:05Z', 'busybox:2', '3', '3', 'current']);
  expect(rows[2]).toEqual(['1', '2026-01-02T03:04:05Z', 'busybox:1', '3', '0', 'previous']);
});

test('history for programs is what the api says', async () => {
  await showHistory(socket, 'web', true, fakeTerminal);
  expect(JSON.parse(printed)).toEqual(answers['GET /shoal/v1/services/web/revisions']?.[1]);
});

test.each([undefined, '1'])('rollback to %s says from where to where', async (to) => {
  await rollBack(socket, 'web', to, fakeTerminal);
  expect(printed).toBe('web: rolling back from revision 2 to 1');
});

test('a refusal ends the command with the sentence of the api', async () => {
  await expect(rollBack(socket, 'web', '7', fakeTerminal)).rejects.toThrow('no such revision');
});

test('a host that is not up is named', async () => {
  const nowhere = join(directory, 'nothing.sock');
  await expect(rollBack(nowhere, 'web', undefined, fakeTerminal)).rejects.toThrow(
    `no api answers at ${nowhere}`,
  );
});
