import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { restart } from './restart.ts';

let directory: string;
let socket: string;
let fakeApi: Server;
let refusal: { status: number; message: string } | undefined;
let posts: { url: string | undefined; body: string }[];
let said: string[];
const fakeTerminal: Terminal = {
  say: (line) => void said.push(line),
  print: (line) => void said.push(line),
};
const Spec = { Name: 'web', Labels: {}, TaskTemplate: { ContainerSpec: {}, ForceUpdate: 3 } };

beforeEach(async () => {
  [refusal, posts, said] = [undefined, [], []];
  directory = mkdtempSync(join(tmpdir(), 'shoal-restart-'));
  socket = join(directory, 'docker.sock');
  fakeApi = createServer(async (request, response) => {
    const { url, method } = request;
    if (method === 'POST') posts.push({ url, body: await text(request) });
    const answer = (status: number, body: object): void =>
      void response.writeHead(status).end(JSON.stringify(body));
    if (refusal !== undefined && method === 'POST') answer(refusal.status, refusal);
    else if (method === 'GET' && url !== '/services/web') answer(404, { message: 'not found' });
    else answer(200, { ID: 'w1', Version: { Index: 7 }, Spec });
  });
  await new Promise<void>((resolve) => fakeApi.listen(socket, resolve));
});
afterEach(() => {
  fakeApi.close();
  rmSync(directory, { recursive: true });
});

test('a service is updated by force, of the version that was read', async () => {
  await restart(['web'], socket, fakeTerminal);
  const [post] = posts;
  expect(post?.url).toBe('/services/w1/update?version=7');
  expect(JSON.parse(post?.body ?? '')).toEqual({
    ...Spec,
    TaskTemplate: { ContainerSpec: {}, ForceUpdate: 4 },
  });
  expect(said).toEqual(['the tasks of web are replaced, as by an update']);
});

test('what is no service is a task', async () => {
  await restart(['web.1', 'web.2'], socket, fakeTerminal);
  expect(posts.map(({ url }) => url)).toEqual([
    '/shoal/v1/tasks/web.1/restart',
    '/shoal/v1/tasks/web.2/restart',
  ]);
  expect(said).toHaveLength(2);
});

test.each([
  [
    { status: 404, message: 'task x not found' },
    'there is no service web.9, and no task: tasks are named as web.1',
  ],
  [{ status: 409, message: 'web.9 is of a job' }, 'web.9 is of a job'],
])('a refusal with %j is told', async (answer, message) => {
  refusal = answer;
  await expect(restart(['web.9'], socket, fakeTerminal)).rejects.toThrow(message);
});
