import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';

const chunked = 'Transfer-Encoding: chunked\r\n\r\n5\r\nHELLO\r\n0\r\n\r\n';

let site: FakeSite;
let seen: string[];

/** Speaks 1.40 and 1.41; echoes bodies, streams without end, tunnels on upgrades and says there what it heard. */
function fakeEngine(): Server {
  const server = createServer((incoming, response) => {
    const url = incoming.url ?? '';
    response.setHeader('Api-Version', '1.41');
    if (url === '/_ping' || url === '/version') {
      response.end('{"MinAPIVersion":"1.40"}');
      return;
    }
    seen.push(`${incoming.method} ${url}`);
    if (url.includes('/stats')) {
      response.write('{"first":1}\n');
      return;
    }
    if (url.endsWith('/broken')) {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
      return;
    }
    const length = incoming.headers['content-length'];
    if (length !== undefined) response.setHeader('Content-Length', length);
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
  test('go with the nearest version that the engine speaks', async () => {
    await site.ask('GET', '/v1.50/containers/json?all=1');
    await site.ask('GET', '/v1.40/containers/json');
    await site.ask('GET', '/v1.39/containers/json');
    await site.ask('GET', '/containers/json');
    await site.ask('GET', 'http://localhost/v1.40/containers/json');
    expect(seen).toEqual([
      'GET /v1.41/containers/json?all=1',
      'GET /v1.40/containers/json',
      'GET /v1.40/containers/json',
      'GET /containers/json',
      'GET /v1.40/containers/json',
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

  test.each([
    ['is answered', 'POST /containers/x/echo', /said$/],
    ['that has no end is told to the engine, which ends', 'POST /containers/x/stats', /"first":1/],
  ])('the end of what a client says %s', async (_what, line, told) => {
    const socket = connect({ path: site.socket, allowHalfOpen: true });
    socket.end(`${line} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsaid`);
    expect(await text(socket)).toMatch(told);
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

  describe('that cannot be are as if nobody had offered them', () => {
    const offers = ['TLS/1.2', 'h2c'];
    const large = `${'x'.repeat(5 * 1024 * 1024)}end`;
    const cases: [string, number, string, string?][] = [
      ['GET /v1.43/services', 200, '[]'],
      ['GET /shoal/v1/settings', 200, '{'],
      ['GET /v9.99/services', 400, 'client version 9.99 is too new'],
      ['POST /v9.99/exec/x/start', 400, 'client version 9.99 is too new'],
      ['GET /nonsense', 404, 'page not found'],
      ['POST /v1.41/images/load', 200, 'xxend', `Content-Length: ${large.length}\r\n\r\n${large}`],
      ['POST /exec/x/start', 200, 'HELLO', chunked],
      ['POST /images/load', 200, 'HELLO', chunked],
    ];
    test.each(cases)('%s', async (line, status, told, body = '\r\n') => {
      await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
      for (const offer of offers) {
        const socket = connect(site.socket);
        socket.write(
          `${line} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${offer}\r\n${body}`,
        );
        const answer = await untilHas(socket, told);
        expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
        expect(answer).not.toContain('Connection: close');
      }
      expect(seen.filter((call) => call.startsWith('UPGRADE'))).toEqual([]);
    });
  });
});

/** What came up to where the text stands; a connection that ends before fails what is expected of it. */
async function untilHas(socket: Socket, text: string): Promise<string> {
  let told = '';
  let newest = '';
  for await (const chunk of socket) {
    newest = newest.slice(-text.length) + String(chunk);
    told += String(chunk);
    if (newest.includes(text)) break;
  }
  return told;
}

test('an engine that is away is named, and what is ours goes on', async () => {
  const away = new FakeSite(fakeEngine());
  await away.start();
  await away.stopEngine();
  const answer = await away.ask('GET', '/containers/json');
  expect(answer.status).toBe(503);
  expect(answer.text).toContain('the Docker Engine of this host at unix://');
  for (const path of ['/info', '/events', '/networks'])
    expect(await away.ask('GET', path)).toMatchObject({ status: 503, json: answer.json });
  expect((await away.ask('GET', '/_ping')).status).toBe(200);
  expect((await away.ask('GET', '/version')).json).toMatchObject({ ApiVersion: '1.50' });
  await away.close();
});
