import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
} from 'node:http';
import { createServer as createTls, request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Caller, callerOf, noteClient } from './caller.ts';
import { TestAuthority } from './tls/testing/authority.ts';

let directory: string;
let seen: Caller | undefined;
const servers: Server[] = [];

const answer: RequestListener = (raw, response) => {
  seen = callerOf({ raw } as FastifyRequest, 'docker service create');
  response.end();
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-caller-'));
  seen = undefined;
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true });
});

async function listening<S extends Server>(server: S, at: string | number): Promise<S> {
  servers.push(server);
  if (typeof at === 'string') server.listen(at);
  else server.listen(at, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe('who asks is known', () => {
  test('at the socket, as whoever may use it', async () => {
    const socketPath = join(directory, 'docker.sock');
    await listening(createServer(answer), socketPath);
    await once(request({ socketPath, agent: false }).end(), 'response');
    expect(seen).toEqual({ command: 'docker service create', client: 'local socket' });
  });

  test('over TCP, by the address', async () => {
    const port = portOf(await listening(createServer(answer), 0));
    await once(request({ port, host: '127.0.0.1', agent: false }).end(), 'response');
    expect(seen?.client).toBe('127.0.0.1');
  });

  test('also when they are gone by the time they are asked for', async () => {
    const server = createServer();
    server.on('connection', noteClient);
    const late = new Promise<Caller>((resolve) => {
      server.on('request', (raw: IncomingMessage) => {
        raw.socket.once('close', () => resolve(callerOf({ raw } as FastifyRequest, 'x')));
      });
    });
    const port = portOf(await listening(server, 0));
    const call = request({ port, host: '127.0.0.1', agent: false }).end();
    call.on('error', () => undefined);
    call.on('socket', (socket) => socket.once('connect', () => setImmediate(() => call.destroy())));
    expect((await late).client).toBe('127.0.0.1');
  });

  test.each([
    ['that the authority has given, by its name', true, 'localhost at 127.0.0.1'],
    ['of another authority, by the address alone', false, '127.0.0.1'],
  ])('over TLS with a certificate %s', async (_, isOurs, client) => {
    const [authority, other] = [await TestAuthority.create(), await TestAuthority.create()];
    const own = await authority.issue();
    const ca = authority.certificate;
    const asking = { ...own, ca, requestCert: true, rejectUnauthorized: false };
    const port = portOf(await listening(createTls(asking, answer), 0));
    const proof = await (isOurs ? authority : other).issue();
    const to = { port, host: '127.0.0.1', servername: 'localhost', agent: false };
    await once(requestTls({ ...proof, ...to, ca }).end(), 'response');
    expect(seen?.client).toBe(client);
  });
});
