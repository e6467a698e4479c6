import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bodyBytesMax } from '../http/bodies.ts';
import { NetworkSite, service } from '../testing/fake-networks.ts';
import { eventually } from '../testing/hosts.ts';

let site: NetworkSite;
const sockets: Socket[] = [];

beforeEach(async () => {
  site = new NetworkSite();
  await site.start();
  await site.init();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await site.close();
});

/** A connection of which every byte is ours to say. */
class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;

  constructor(path: string, allowHalfOpen: boolean) {
    this.socket = connect({ path, allowHalfOpen });
    sockets.push(this.socket);
    this.socket.setEncoding('latin1');
    this.socket.on('data', (chunk: string) => {
      this.text += chunk;
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.ended = true;
    });
  }

  send(text: string): void {
    this.socket.write(text);
  }

  get statuses(): readonly string[] {
    return Array.from(this.text.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status = '']) => status);
  }

  answered(...statuses: readonly string[]): Promise<true> {
    const look = () => this.statuses.length >= statuses.length || undefined;
    return eventually(`answers ${statuses.join(' ')}`, look).then(() => {
      expect(this.statuses).toEqual(statuses);
      return true;
    });
  }
}

const open = (allowHalfOpen = false): RawClient => new RawClient(site.socket, allowHalfOpen);
const post = (length: string): string =>
  `POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${length}\r\n\r\n`;

async function expectAlive(): Promise<void> {
  expect((await site.ask('GET', '/_ping')).status).toBe(200);
  expect(site.view.services.size).toBe(0);
}

test('a body of 10 MB is refused, is answered, and the connection goes on', async () => {
  const client = open();
  const bytes = 10 * 1024 * 1024;
  client.send(post(`Content-Length: ${bytes}`));
  client.send(`{"Name":"${'a'.repeat(bytes - 11)}"}`);
  await client.answered('413');
  client.send('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.answered('413', '200');
  await expectAlive();
});

test('the same in chunks', async () => {
  const client = open();
  client.send(post('Transfer-Encoding: chunked'));
  const chunk = 'x'.repeat(64 * 1024);
  for (let sent = 0; sent <= bodyBytesMax; sent += chunk.length)
    client.send(`10000\r\n${chunk}\r\n`);
  client.send('0\r\n\r\n');
  await client.answered('413');
  await expectAlive();
});

test.each([
  ['a chunk without a size', 'Transfer-Encoding: chunked', 'zz\r\nabc\r\n0\r\n\r\n'],
  ['a chunk of less than nothing', 'Transfer-Encoding: chunked', '-1\r\nabc\r\n'],
  ['two lengths', 'Content-Length: 3\r\nContent-Length: 5', 'abcde'],
  ['a length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked', '0\r\n\r\n'],
  ['a length that is none', 'Content-Length: many', 'abc'],
])('%s is refused, and the connection is closed', async (_what, length, body) => {
  const client = open();
  client.send(`${post(length)}${body}`);
  await eventually('the connection is closed', () => client.ended || undefined);
  expect(client.statuses.filter((status) => status !== '400')).toEqual([]);
  await expectAlive();
});

test('a flood of headers is refused', async () => {
  const client = open();
  client.send('GET /_ping HTTP/1.1\r\nHost: x\r\n');
  for (let at = 0; at < 2_000; at += 1) client.send(`X-${at}: ${'y'.repeat(600)}\r\n`);
  client.send('\r\n');
  await client.answered('431');
  await expectAlive();
});

test('a filter of many ids is read', async () => {
  const ids = Array.from({ length: 2_000 }, (_, at) => `s${at}`.padEnd(25, 'x'));
  const filters = encodeURIComponent(JSON.stringify({ id: ids }));
  const client = open();
  client.send(`GET /tasks?filters=${filters} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await client.answered('200');
});

describe('a client that ends its writing', () => {
  test.each([
    ['is answered all the same', 'GET /services HTTP/1.0\r\n\r\n', ['200']],
    [
      'is answered all that it asked',
      'GET /nodes HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3),
      ['200', '200', '200'],
    ],
    ['and has said nothing is left', '', []],
    ['within the head of a request is refused', 'GET /services HTTP/1.1\r\n', ['400']],
  ])('%s', async (_what, said, statuses) => {
    const client = open(true);
    client.socket.end(said);
    await eventually('the connection is closed', () => client.ended || undefined);
    expect(client.statuses).toEqual(statuses);
    await expectAlive();
  });

  test('after its answer is left', async () => {
    const client = open(true);
    client.send('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.answered('200');
    client.socket.end();
    await eventually('the connection is closed', () => client.ended || undefined);
  });
});

test('pipelined requests are answered one after the other', async () => {
  const client = open();
  const ping = 'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n';
  const bad = 'POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}';
  client.send(`${ping}${bad}${ping}GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n${ping}`);
  await client.answered('200', '400', '200', '404', '200');
  await expectAlive();
});

test('a body that is cut off changes nothing', async () => {
  const client = open();
  const body = JSON.stringify(service('web'));
  client.send(`${post(`Content-Length: ${body.length}`)}${body.slice(0, -1)}`);
  client.socket.end();
  await eventually('the connection is closed', () => client.ended || undefined);
  await expectAlive();
});

test('bodies that come slowly, and connections that say nothing, keep nobody from an answer', async () => {
  const idle = Array.from({ length: 500 }, () => open());
  for (const client of idle.slice(0, 250)) client.send(`${post('Content-Length: 100')}{`);
  await eventually(
    'all are connected',
    () => idle.every(({ socket }) => !socket.connecting) || undefined,
  );
  for (let at = 0; at < 20; at += 1) await expectAlive();
  // One of the slow ones ends well after all.
  const [slow] = idle;
  const body = JSON.stringify(service('web')).slice(1).padEnd(99, ' ');
  slow?.send(body.slice(0, 99));
  await slow?.answered(body.length === 99 ? '201' : '400');
});
