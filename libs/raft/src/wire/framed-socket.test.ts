import { connect, createServer, type Socket } from 'node:net';
import { systemClock } from '@shoal/runtime';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../service/testing/eventually.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { FramedSocket, signOfLifeMs, silentTimesMax, unsentBytesMax } from './framed-socket.ts';
import { framesOf } from './frames.ts';

const bytesMax = 1024 * 1024;
const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** Two ends of one connection. */
function pair(): Promise<[client: Socket, server: Socket]> {
  return new Promise((resolve) => {
    const listening = createServer((server) => {
      listening.close();
      open.push(client, server);
      resolve([client, server]);
    });
    let client: Socket;
    listening.listen(0, '127.0.0.1', () => {
      const bound = listening.address();
      client = connect(typeof bound === 'object' && bound !== null ? bound.port : 0, '127.0.0.1');
      client.on('error', () => undefined);
    });
  });
}

/** One end, with what it was told. */
class End {
  readonly framed: FramedSocket;
  readonly messages: Buffer[] = [];
  readonly closed: (string | undefined)[] = [];
  drained = 0;

  constructor(socket: Socket, side: 'client' | 'server', clock = new FakeClock()) {
    this.framed = new FramedSocket(socket, side, clock, bytesMax);
    if (side === 'client') this.framed.secured();
    this.framed.user = {
      message: (bytes) => void this.messages.push(Buffer.from(bytes)),
      drained: () => {
        this.drained += 1;
      },
      closed: (reason) => void this.closed.push(reason),
    };
  }
}

test('messages of every size come through, both ways, in order', async () => {
  const [a, b] = await pair();
  const [client, server] = [new End(a, 'client'), new End(b, 'server')];
  const sent = [1, 100, 70_000, 3, bytesMax].map((size, at) => Buffer.alloc(size, at));
  for (const message of sent) {
    client.framed.write(message);
    server.framed.write(message);
  }
  await eventually(() => server.messages.length === 5 && client.messages.length === 5, 'all come');
  expect(server.messages).toEqual(sent);
  expect(client.messages).toEqual(sent);
});

test('a client says nothing before the other side has proved itself', async () => {
  const [a, b] = await pair();
  const server = new End(b, 'server');
  const framed = new FramedSocket(a, 'client', systemClock, bytesMax);
  framed.write(Buffer.from('secret'));
  b.write(framesOf([Buffer.from('hello')]));
  const heard: Buffer[] = [];
  framed.user = { ...framed.user, message: (bytes) => void heard.push(Buffer.from(bytes)) };
  await eventually(() => heard.length === 1, 'the client hears the server');
  expect(b.bytesRead).toBe(0);
  framed.secured();
  await eventually(() => server.messages.length === 1, 'it says it then');
  framed.destroy();
});

test('who writes more than the other side reads is told to wait, and when to go on', async () => {
  const [a, b] = await pair();
  const [client, server] = [new End(a, 'client'), new End(b, 'server')];
  server.framed.pause();
  const message = Buffer.alloc(64 * 1024);
  let written = 0;
  let count = 0;
  // What the kernel takes on both sides is no back-pressure yet.
  await eventually(() => {
    count += 1;
    return !client.framed.write(message, () => {
      written += 1;
    });
  }, 'there is no room any more');
  expect(count - written).toBeLessThanOrEqual(unsentBytesMax / message.length + 1);
  expect(client.drained).toBe(0);
  expect(server.messages).toEqual([]);
  server.framed.resume();
  await eventually(() => client.drained === 1, 'there is room again');
  await eventually(() => server.messages.length === count, 'nothing is lost');
});

test('a message that is too large ends the connection on both sides', async () => {
  const [a, b] = await pair();
  const [client, server] = [new End(a, 'client'), new End(b, 'server')];
  client.framed.write(Buffer.alloc(bytesMax + 1));
  await eventually(() => client.closed.length + server.closed.length === 2, 'both hear of it');
  expect(server.closed).toEqual(['a message that is too large was announced']);
  expect(server.messages).toEqual([]);
});

test('an orderly end says all that was written, and is told as one', async () => {
  const [a, b] = await pair();
  const [client, server] = [new End(a, 'client'), new End(b, 'server')];
  client.framed.write(Buffer.from('last words'));
  client.framed.end();
  await eventually(() => server.closed.length === 1, 'the server hears of the end');
  expect(server.closed).toEqual([undefined]);
  expect(server.messages.map(String)).toEqual(['last words']);
});

test('signs of life keep a connection on which nothing is said', async () => {
  const [a, b] = await pair();
  const clock = new FakeClock();
  const [client, server] = [new End(a, 'client', clock), new End(b, 'server', clock)];
  for (let times = 0; times < 3 * silentTimesMax; times += 1) {
    const [fromClient, fromServer] = [b.bytesRead, a.bytesRead];
    await clock.advance(signOfLifeMs);
    await eventually(() => b.bytesRead > fromClient, 'the client gives a sign of life');
    await eventually(() => a.bytesRead > fromServer, 'the server answers it');
  }
  expect([...client.closed, ...server.closed]).toEqual([]);
  expect([...client.messages, ...server.messages]).toEqual([]);
});

test('who asks for signs of life and does not read them gets no more than there is room for', async () => {
  const [a, b] = await pair();
  const server = new End(b, 'server');
  a.pause();
  const asked = Buffer.concat(Array.from({ length: 100_000 }, () => framesOf([Buffer.alloc(0)])));
  for (let times = 0; times < 100; times += 1) a.write(asked);
  await eventually(() => b.bytesRead === 100 * asked.length, 'the server has read all of them');
  expect(b.writableLength).toBeLessThan(2 * unsentBytesMax);
  expect(server.closed).toEqual([]);
});

test.each(['client', 'server'] as const)('a %s gives up a side that is silent', async (side) => {
  const [a, b] = await pair();
  const clock = new FakeClock();
  const end = new End(side === 'client' ? a : b, side, clock);
  await clock.advance(signOfLifeMs * (silentTimesMax + 1));
  expect(end.closed).toEqual(['the other side is silent']);
  expect(clock.pending).toBe(0);
});
