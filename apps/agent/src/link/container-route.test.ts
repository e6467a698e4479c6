import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientRequest, createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Engine } from '@shoal/link/proxy';
import { clientOf, type FakeNode, FakeNodes, LinkedHost } from '@shoal/link/testing';
import { silentLogger } from '@shoal/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ContainerRoute } from './container-route.ts';

const taskContainer = 'a'.repeat(64);
const otherContainer = 'b'.repeat(64);
const renamedContainer = 'f'.repeat(64);
const committedContainer = '1'.repeat(64);
const exec = 'c'.repeat(64);
const otherExec = 'd'.repeat(64);

let directory: string;
let engine: Server;
let host: LinkedHost;
let manager: FakeNode;
let worker: FakeNode;
/** The managers that this host was told of. */
let managers: string[];
let seen: string[];
let counted: string[];
let noted: object[];

/** Knows containers of a task, some of somebody else, an exec in one of each. */
function fakeEngine(nodeId: string): Server {
  const Config = {
    Labels: { 'com.docker.swarm.node.id': nodeId, 'com.docker.swarm.task.id': 'task1' },
  };
  const known: Readonly<Record<string, unknown>> = {
    [`/containers/${taskContainer}/json`]: { Id: taskContainer, Name: '/web.1.task1', Config },
    [`/containers/${renamedContainer}/json`]: { Id: renamedContainer, Name: '/mine', Config },
    [`/containers/${committedContainer}/json`]: { Id: committedContainer, Name: '/mine', Config },
    [`/containers/${otherContainer}/json`]: { Id: otherContainer, Config: { Labels: null } },
    [`/exec/${exec}/json`]: { ID: exec, ContainerID: taskContainer },
    [`/exec/${otherExec}/json`]: { ID: otherExec, ContainerID: otherContainer },
  };
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    seen.push(`${request.method} ${url}`);
    response.setHeader('Api-Version', '1.41');
    if (url === '/version') {
      response.end('{"ApiVersion":"1.41","MinAPIVersion":"1.24"}');
      return;
    }
    const answer = known[url.replace('/v1.41', '')];
    if (request.method === 'GET' && url.endsWith('/json')) {
      response.statusCode = answer === undefined ? 404 : 200;
      response.end(JSON.stringify(answer ?? { message: `No such container: ${url}` }));
    } else request.pipe(response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    seen.push(`UPGRADE ${request.url}`);
    let heard = head.toString();
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nready ');
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    socket.on('end', () => socket.end(`heard ${heard}`));
  });
  return server;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-agent-link-'));
  const path = join(directory, 'engine.sock');
  const nodes = await FakeNodes.create();
  manager = await nodes.node('manager');
  worker = await nodes.node('worker');
  const node = await nodes.node('worker');
  seen = [];
  engine = fakeEngine(node.nodeId);
  await new Promise<void>((resolve) => engine.listen(path, resolve));
  host = await new LinkedHost(node).start();
  const handler = new ContainerRoute({
    engine: new Engine(`unix://${path}`, { kind: 'unix', path }, `node ${node.nodeId}`),
    nodeId: node.nodeId,
    isManager: (nodeId) => managers.includes(nodeId),
    knows: (taskId, { id, name }) =>
      taskId === 'task1' && (id === renamedContainer || name === 'web.1.task1'),
    logger: { ...silentLogger, info: (fields, event) => noted.push({ event, ...fields }) },
    metrics: { answered: (action, outcome) => counted.push(`${action} ${outcome}`) },
  });
  for (const root of ['containers', 'exec']) host.serve(root, handler, ['manager']);
});
beforeEach(() => {
  managers = [manager.nodeId];
  seen = [];
  counted = [];
  noted = [];
});
afterAll(async () => {
  await host.close();
  engine.closeAllConnections();
  await new Promise<void>((resolve) => engine.close(() => resolve()));
  rmSync(directory, { recursive: true });
});

function call(method: string, path: string, by = manager, headers = {}): ClientRequest {
  const { nodeId } = host.node;
  return clientOf(by).request({ address: host.address, nodeId, method, path, headers });
}

async function ask(method: string, path: string, body = '', by = manager) {
  const request = call(method, path, by);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.end(body);
  });
  return { status: answer.statusCode, text: await text(answer) };
}

describe('a container of a task', () => {
  test('is reached in the version that the engine speaks', async () => {
    const answer = await ask('PUT', `/v1.50/containers/${taskContainer}/archive?path=/`, 'a tar');
    expect(answer).toEqual({ status: 200, text: 'a tar' });
    expect(seen).toContain(`PUT /v1.41/containers/${taskContainer}/archive?path=/`);
    expect(counted).toEqual(['archive passed']);
  });

  test('is reached by who says no more, too', async () => {
    const path = `/v1.50/containers/${taskContainer}/archive?path=/`;
    const request = call('PUT', path);
    request.end('a tar', () => request.socket?.end());
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject);
    });
    expect(await text(answer)).toBe('a tar');
  });

  test('is reached under the name that somebody gave it', async () => {
    expect((await ask('GET', `/containers/${renamedContainer}/json`)).status).toBe(200);
  });

  test('has its exec noted: by whom and where, not what', async () => {
    await ask('POST', `/containers/${taskContainer}/exec`, '{"Cmd":["mysql","-psecret"]}');
    expect(noted).toEqual([
      { event: 'remote_exec_created', by: manager.nodeId, container: taskContainer },
    ]);
  });

  test('has an exec as a tunnel; the end of its input is not the end of its output', async () => {
    const headers = { connection: 'Upgrade', upgrade: 'tcp', 'content-length': '2' };
    const request = call('POST', `/v1.50/exec/${exec}/start`, manager, headers);
    const socket = await new Promise<Socket>((resolve, reject) => {
      request.once('error', reject);
      request.once('upgrade', (_answer, opened, head) => {
        opened.unshift(head);
        resolve(opened as Socket);
      });
      request.end('{}');
    });
    socket.end('typed');
    expect(await text(socket)).toBe('ready heard {}typed');
    expect(seen).toContain(`UPGRADE /v1.41/exec/${exec}/start`);
    expect(noted).toMatchObject([{ event: 'remote_exec_started', exec }]);
  });
});

describe('refused is', () => {
  test.each([
    ['POST', `/containers/${taskContainer}/stop`],
    ['DELETE', `/containers/${taskContainer}`],
    ['GET', '/containers/json'],
    ['POST', '/containers/create'],
    ['GET', `/containers/${taskContainer}/attach/ws`],
  ])('%s %s', async (method, path) => {
    const answer = await ask(method, path);
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('is not for other hosts');
    expect(seen).toEqual([]);
    expect(counted).toEqual(['other refused']);
  });

  test('a container of somebody else, and an exec in it', async () => {
    for (const path of [
      `/containers/${otherContainer}/json`,
      `/containers/${committedContainer}/json`,
      `/exec/${otherExec}/json`,
    ]) {
      const answer = await ask('GET', path);
      expect(answer.status).toBe(403);
      expect(answer.text).toContain('is not that of a task of node');
    }
  });

  test('what is no whole id', async () => {
    expect((await ask('GET', '/containers/web.1/json')).status).toBe(400);
    expect((await ask('GET', '/containers/..%2F..%2Finfo/json')).status).toBe(400);
    expect(seen).toEqual([]);
  });

  test('what the engine does not know, in its words', async () => {
    const answer = await ask('GET', `/containers/${'e'.repeat(64)}/logs?follow=1`);
    expect(answer).toMatchObject({ status: 404 });
    expect(answer.text).toContain('No such container');
  });

  test('who was a manager, whatever its certificate says', async () => {
    managers = [];
    const answers = [
      await ask('POST', `/containers/${taskContainer}/exec`, '{"Cmd":["id"]}'),
      await ask('GET', `/exec/${exec}/json`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    expect(answers[0]?.text).toContain(`knows of no manager ${manager.nodeId}`);
    expect(seen).toEqual([]);
    expect(counted).toEqual(['other refused', 'other refused']);
  });

  test('a worker', async () => {
    expect((await ask('GET', `/containers/${taskContainer}/json`, '', worker)).status).toBe(403);
    expect(seen).toEqual([]);
  });
});
