import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EngineProxy } from './proxy.ts';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

let directory: string;
let fakeEngine: Server;
let front: Server;
let proxy: EngineProxy;
let seen: IncomingMessage[];

/** Says what API 1.41 says, echoes bodies, streams forever on /events, and tunnels on upgrades. */
function startFakeEngine(): Server {
  const server = createServer((incoming, response) => {
    seen.push(incoming);
    response.setHeader('Api-Version', '1.41');
    if (incoming.url?.endsWith('/events') === true) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"first":1}\n');
      return;
    }
    response.writeHead(incoming.url?.includes('missing') === true ? 404 : 200, {
      'X-Odd-Case': 'Kept',
    });
    incoming.pipe(response);
  });
  server.on('upgrade', (_incoming, socket: Socket, head) => {
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    let heard = head.toString();
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    socket.on('end', () => socket.end(`heard ${heard}`));
  });
  return server;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve) => server.listen(path, resolve));
}

beforeEach(async () => {
  seen = [];
  directory = mkdtempSync(join(tmpdir(), 'shoal-proxy-'));
  fakeEngine = startFakeEngine();
  await listen(fakeEngine, join(directory, 'engine.sock'));
  proxy = new EngineProxy({ socketPath: join(directory, 'engine.sock'), logger: silent });
  front = createServer((incoming, response) => void proxy.handle(incoming, response));
  front.on('upgrade', (incoming, socket, head) => void proxy.upgrade(incoming, socket, head));
  await listen(front, join(directory, 'front.sock'));
});

afterEach(() => {
  proxy.close();
  for (const server of [front, fakeEngine]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true, force: true });
});

function ask(method: string, path: string, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: join(directory, 'front.sock'), method, path }, resolve);
    call.on('error', reject);
    call.end(body);
  });
}

describe('EngineProxy', () => {
  test.each([
    ['/v1.50/containers/json', '/v1.41/containers/json'],
    ['/v1.40/containers/json?all=1', '/v1.40/containers/json?all=1'],
    ['/containers/json', '/containers/json'],
    ['/v1.50x/odd', '/v1.50x/odd'],
  ])('asks the engine for %s as %s', async (path, expected) => {
    await text(await ask('GET', path));
    expect(seen.at(-1)?.url).toBe(expected);
  });

  test('passes body, status and header case as they are', async () => {
    const answer = await ask('POST', '/missing', 'a body');
    expect(answer.statusCode).toBe(404);
    expect(answer.rawHeaders).toContain('X-Odd-Case');
    expect(await text(answer)).toBe('a body');
  });

  test('an endless answer flows at once and ends with its reader', async () => {
    const answer = await ask('GET', '/v1.50/events');
    const first = await new Promise((resolve) => answer.once('data', resolve));
    expect(String(first)).toBe('{"first":1}\n');
    const gone = new Promise((resolve) => seen.at(-1)?.socket.once('close', resolve));
    answer.destroy();
    await gone;
  });

  test('a hijacked connection closes one half and still hears the other', async () => {
    const socket = connect({ path: join(directory, 'front.sock'), allowHalfOpen: true });
    socket.write(
      'POST /v1.50/exec/x/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
    );
    socket.end('standard input');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n[^]*heard standard input$/);
  });

  test('an engine that is away is named in one sentence', async () => {
    fakeEngine.closeAllConnections();
    await new Promise((resolve) => fakeEngine.close(resolve));
    const answer = await ask('GET', '/v1.50/containers/json');
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(await text(answer))).toEqual({
      message: expect.stringContaining('engine.sock'),
    });
  });
});
