// Connections that do what they should not: crowds, silence, and clients that never read.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { systemClock, type Timer } from '@shoal/runtime';
import { afterEach, beforeEach, test } from 'vitest';
import { eventually } from '../testing/ask.ts';
import type { Serve } from './serve.ts';
import { serveTcp } from './tcp-service.ts';

const timers: (() => void)[] = [];
/** A clock whose timers fire when the test says so. */
const fakeClock = {
  ...systemClock,
  after: (_: number, fire: () => void): Timer => {
    timers.push(fire);
    return { cancel: () => timers.splice(timers.indexOf(fire), 1) };
  },
};

let close: () => void;
let port: number;
let serve: Serve;
const open: Socket[] = [];

beforeEach(async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  serve = (packet) => Buffer.concat([packet, Buffer.from('!')]);
  close = serveTcp(server, 'n', (...asked) => serve(...asked), fakeClock);
});
afterEach(() => {
  close();
  for (const socket of open.splice(0)) socket.destroy();
  timers.length = 0;
});

async function client(
  from = '127.0.0.1',
): Promise<{ readonly socket: Socket; text: () => string }> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  open.push(socket);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return { socket, text: () => text };
}

const framed = (text: string): Buffer =>
  Buffer.concat([Buffer.from([text.length >> 8, text.length & 255]), Buffer.from(text)]);

test('queries in one piece or in many are answered in their order', async () => {
  serve = async (packet) => {
    // The first takes longer than the second.
    if (packet.toString() === 'one') await new Promise((resolve) => setImmediate(resolve));
    return packet;
  };
  const { socket, text } = await client();
  const all = Buffer.concat([framed('one'), framed('two'), framed('three')]);
  socket.write(all.subarray(0, 4));
  socket.write(all.subarray(4, 13));
  socket.write(all.subarray(13));
  await eventually('three answers', () => text() === all.toString() || undefined);
});

test('a client that opens many connections loses its own, and shuts nobody else out', async () => {
  const greedy: Promise<unknown>[] = [];
  for (let count = 0; count < 300; count += 1) {
    const { socket } = await client('127.0.0.2');
    greedy.push(once(socket, 'close'));
  }
  await Promise.all(greedy.slice(0, 300 - 32));
  const { socket, text } = await client('127.0.0.3');
  socket.write(framed('asked'));
  await eventually('an answer', () => text().endsWith('asked!') || undefined);
});

test('who says nothing is let go', async () => {
  const { socket } = await client();
  const ended = once(socket, 'close');
  await eventually('a timer', () => timers[0]);
  timers[0]?.();
  await ended;
});

test('who sends what is no query is let go', async () => {
  serve = () => undefined;
  const { socket } = await client();
  const ended = once(socket, 'close');
  socket.write(framed('nonsense'));
  await ended;
  const other = await client();
  const otherEnded = once(other.socket, 'close');
  other.socket.write(Buffer.from([0xff, 0xff]));
  await otherEnded;
  const empty = await client();
  const emptyEnded = once(empty.socket, 'close');
  empty.socket.write(Buffer.from([0, 0]));
  await emptyEnded;
});

test('who never reads is let go before much has gathered', async () => {
  serve = () => Buffer.alloc(60_000);
  const { socket } = await client();
  socket.pause();
  const ended = once(socket, 'close');
  const many = Buffer.concat(Array.from({ length: 200 }, () => framed('x')));
  socket.write(many);
  // Its own end sees the reset once it reads again.
  await eventually('the server lets go', () => timers.length === 0 || undefined);
  socket.resume();
  await ended;
});

test('all connections end with the service', async () => {
  const { socket, text } = await client();
  socket.write(framed('here'));
  await eventually('an answer', () => text() !== '' || undefined);
  const ended = once(socket, 'close');
  close();
  await ended;
});
