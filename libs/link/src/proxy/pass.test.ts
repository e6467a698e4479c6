import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, createServer as createListener, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { Engine } from './engine.ts';
import { type Passing, passRequest } from './pass.ts';

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function portOf(server: Server): Promise<number> {
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return port;
}

/** A server that passes everything on to the engine behind that port. */
function proxyTo(port: number, how: Passing = {}): Promise<number> {
  const engine = new Engine('of this test', { kind: 'tcp', host: '127.0.0.1', port });
  const proxy = createServer((request, response) => {
    void passRequest(engine, request, response, how);
  });
  // As the servers that pass requests on.
  return portOf(Object.assign(proxy, { httpAllowHalfOpen: true }));
}

test('an engine that answers before it has read the body is heard by a client that sends it all first', async () => {
  const body = Buffer.alloc(20 << 20);
  const said = '{"message":"No such container: nope"}';
  const head = `HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: ${said.length}`;
  // Reads the head alone, as far as the kernel lets it, and closes when the other side has.
  const fakeEngine = createListener({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.pause().end(`${head}\r\n\r\n${said}`));
  });
  const client = connect(await proxyTo(await portOf(fakeEngine)), '127.0.0.1');
  client.write(
    `PUT /containers/nope/archive HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  await new Promise<void>((resolve) => client.write(body, () => resolve()));
  const [answer] = (await once(client, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 404 /);
  expect(answer.toString()).toContain(said);
  client.destroy();
});

test.each([
  ['POST', '', { length: '0', chunks: undefined, body: '' }],
  ['POST', 'Content-Length: 0\r\n', { length: '0', chunks: undefined, body: '' }],
  ['POST', 'Content-Length: 2\r\n', { length: '2', chunks: undefined, body: '{}' }],
  ['POST', 'Transfer-Encoding: chunked\r\n', { length: undefined, chunks: 'chunked', body: '{}' }],
  ['PUT', '', { length: '0', chunks: undefined, body: '' }],
  ['GET', '', { length: undefined, chunks: undefined, body: '' }],
  ['DELETE', '', { length: undefined, chunks: undefined, body: '' }],
  ['HEAD', '', { length: undefined, chunks: undefined, body: '' }],
])('what a %s says of its body with “%s” the engine hears', async (method, framing, heard) => {
  const fakeEngine = createServer();
  const questions = once(fakeEngine, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  const client = connect(await proxyTo(await portOf(fakeEngine)), '127.0.0.1');
  const body = heard.chunks === undefined ? heard.body : `2\r\n${heard.body}\r\n0\r\n\r\n`;
  client.write(`${method} /containers/web/start HTTP/1.1\r\nHost: x\r\n${framing}\r\n${body}`);
  const [question, answer] = await questions;
  const { 'content-length': length, 'transfer-encoding': chunks } = question.headers;
  expect({ length, chunks, body: await text(question) }).toEqual(heard);
  answer.writeHead(204).end();
  await once(client, 'data');
  client.destroy();
});

/** Puts a mark before all that passes. */
const marked = (mark: string): Passing => ({
  async *change(body) {
    yield Buffer.from(mark);
    yield* body;
  },
});

test.each([
  { what: 'measured', mark: '', said: 'abc', measures: true, length: '3' },
  { what: 'measured, and longer by then', mark: '>>', said: 'abc', measures: true, length: '5' },
  { what: 'in chunks', mark: '>>', said: 'abc', measures: false, length: undefined },
  { what: 'large', mark: '>>', said: 'a'.repeat(70_000), measures: true, length: undefined },
])('an answer that is changed on its way: $what', async ({ mark, said, measures, length }) => {
  const fakeEngine = createServer((_request, response) => {
    response.writeHead(200, measures ? { 'Content-Length': said.length } : {});
    response.write(said);
    response.end();
  });
  const port = await proxyTo(await portOf(fakeEngine), marked(mark));
  const asked = httpRequest({ port, host: '127.0.0.1', path: '/containers/json' }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  expect(answer.headers['content-length']).toBe(length);
  expect(await text(answer)).toBe(`${mark}${said}`);
});

describe('while the engine has not answered, a client that ends its writing', () => {
  /** What the engine was asked, and what the client heard. */
  async function ended(how: Passing): Promise<{ asked: ServerResponse; heard: Promise<string> }> {
    const fakeEngine = createServer();
    const questions = once(fakeEngine, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const port = await proxyTo(await portOf(fakeEngine), how);
    const client = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const heard = text(client.end('GET /containers/json HTTP/1.1\r\nHost: x\r\n\r\n'));
    const [, asked] = await questions;
    return { asked, heard };
  }

  test('is given up after a while, at both sides', async () => {
    const { asked, heard } = await ended({ unansweredMsMax: 20 });
    await once(asked, 'close');
    expect(await heard).toBe('');
  });

  test('gets what is made by then', async () => {
    const { asked, heard } = await ended({});
    asked.end('told');
    expect(await heard).toMatch(/^HTTP\/1.1 200 .*told/s);
  });
});

describe('an answer that is to be mended', () => {
  async function answered(fakeEngine: RequestListener): Promise<IncomingMessage> {
    const mend: Passing['mend'] = ({ status, body }) => ({ status, body: body.toUpperCase() });
    const port = await proxyTo(await portOf(createServer(fakeEngine)), { mend });
    const request = httpRequest({ host: '127.0.0.1', port, agent: false }).end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    return answer;
  }

  test.each<[string, number, string | undefined, string]>([
    ['as JSON', 200, 'application/json', 'TOLD'],
    ['with a character set', 201, 'application/json; charset=utf-8', 'TOLD'],
    ['that is a refusal', 404, 'text/plain', 'TOLD'],
    ['as a stream', 200, 'application/vnd.docker.raw-stream', 'told'],
    ['of no type', 200, undefined, 'told'],
  ])('%s', async (_what, status, type, expected) => {
    const answer = await answered((_request, response) => {
      response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end('told');
    });
    expect([answer.statusCode, await text(answer)]).toEqual([status, expected]);
  });

  test('and is a stream comes as it is made', async () => {
    let end = (): void => undefined;
    const answer = await answered((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/vnd.docker.raw-stream' });
      response.write('first');
      end = () => response.end();
    });
    const [first] = (await once(answer, 'data')) as [Buffer];
    expect(first.toString()).toBe('first');
    end();
  });
});
