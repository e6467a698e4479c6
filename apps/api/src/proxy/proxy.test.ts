import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

let site: FakeSite;
let seen: string[];

/** Speaks 1.41; echoes bodies, streams without end, tunnels on upgrades and says there what it heard. */
function fakeEngine(): Server {
  const server = createServer((incoming, response) => {
    const url = incoming.url ?? '';
    seen.push(`${incoming.method} ${url}`);
    response.setHeader('Api-Version', '1.41');
    if (url.includes('/stats')) {
      response.write('{"first":1}\n');
      return;
    }
    if (url.endsWith('/broken')) {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
      return;
    }
    incoming.pipe(response);
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    seen.push(`UPGRADE ${incoming.url}`);
    if (incoming.url?.includes('missing') === true) {
      const body = '{"message":"No such container: missing"}';
      socket.end(
        `HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      return;
    }
    let heard = head.toString();
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nready ');
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    socket.on('end', () => socket.end(`heard ${heard}`));
  });
  return server;
}

beforeEach(async () => {
  seen = [];
  site = new FakeSite(fakeEngine());
  await site.start();
});
afterEach(() => site.close());

describe('plain requests', () => {
  test('go with a version that the engine speaks, and older ones as they are', async () => {
    await site.ask('GET', '/v1.50/containers/json?all=1');
    await site.ask('GET', '/v1.40/containers/json');
    await site.ask('GET', '/containers/json');
    expect(seen.filter((line) => !line.includes('_ping'))).toEqual([
      'GET /v1.41/containers/json?all=1',
      'GET /v1.40/containers/json',
      'GET /containers/json',
    ]);
  });

  test('bodies larger than our own limit pass', async () => {
    const body = 'x'.repeat(6 * 1024 * 1024);
    const answer = await site.ask('POST', '/build', body, { 'content-type': 'application/x-tar' });
    expect(answer.text.length).toBe(body.length);
  });

  test('an endless answer flows at once', async () => {
    const call = request({ socketPath: site.socket, path: '/v1.50/containers/x/stats' });
    const first = await new Promise<string>((resolve, reject) => {
      call.on('response', (answer) => {
        answer.once('data', (chunk: Buffer) => resolve(chunk.toString()));
        answer.on('error', () => undefined);
      });
      call.on('error', reject);
      call.end();
    });
    expect(first).toBe('{"first":1}\n');
    call.destroy();
  });

  test('an answer that breaks off does not look whole', async () => {
    await expect(
      new Promise((resolve, reject) => {
        const call = request({ socketPath: site.socket, path: '/containers/broken' }, (answer) => {
          answer.on('end', resolve);
          answer.on('error', reject);
          answer.resume();
        });
        call.on('error', reject);
        call.end();
      }),
    ).rejects.toThrow();
  });
});

describe('upgrades', () => {
  function upgrade(path: string, body: string): Socket {
    const socket = connect({ path: site.socket, allowHalfOpen: true });
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return socket;
  }

  test('become a tunnel; the end of our input is not the end of its output', async () => {
    const socket = upgrade('/v1.50/exec/x/start', '{"Detach":false}');
    socket.end('standard input');
    const answer = await text(socket);
    expect(answer).toContain('HTTP/1.1 101 UPGRADED\r\n');
    expect(answer.endsWith('ready heard {"Detach":false}standard input')).toBe(true);
    expect(seen).toContain('UPGRADE /v1.41/exec/x/start');
  });

  test('that the engine refuses end with its answer', async () => {
    const answer = await text(upgrade('/v1.50/containers/missing/attach', ''));
    expect(answer).toContain('HTTP/1.1 404 Not Found');
    expect(answer).toContain('Connection: close');
    expect(answer.endsWith('{"message":"No such container: missing"}')).toBe(true);
  });
});

test('an engine that is away is named, and what is ours goes on', async () => {
  const away = new FakeSite(fakeEngine());
  await away.start();
  await away.stopEngine();
  const answer = await away.ask('GET', '/containers/json');
  expect(answer.status).toBe(503);
  expect(answer.text).toContain('the Docker Engine of this host at unix://');
  expect((await away.ask('GET', '/_ping')).status).toBe(200);
  expect((await away.ask('GET', '/version')).json).toMatchObject({ ApiVersion: '1.50' });
  await away.close();
});
