import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { systemClock } from '@shoal/runtime';
import { afterEach, expect, test } from 'vitest';
import { noMetrics } from '../testing/no-metrics.ts';
import { readProxyHeader } from '../testing/proxied.ts';
import { Relay, relaySockets } from './relay.ts';

const closing: (() => unknown)[] = [];
const counts = { begun: 0, refused: 0, open: 0 };
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  Object.assign(counts, { begun: 0, refused: 0, open: 0 });
});

async function listen(serve: (client: Socket) => void): Promise<number> {
  const server: Server = createServer(relaySockets, serve);
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A listener that passes everything on to `task`. */
async function relayTo(task: number, withHeader: boolean): Promise<{ port: number; relay: Relay }> {
  const relay = new Relay({
    target: () => ({ host: '127.0.0.1', port: task }),
    clock: systemClock,
    metrics: {
      ...noMetrics,
      relayed: (outcome) => {
        counts[outcome] += 1;
      },
      relaying: (open) => {
        counts.open = open;
      },
    },
  });
  return { relay, port: await listen((client) => relay.pass(client, 80, withHeader)) };
}

/** Answers with everything it was sent, once the client has said all. */
async function echo(): Promise<number> {
  return listen((client) => {
    const chunks: Buffer[] = [];
    client.on('error', () => undefined);
    client.on('data', (data) => chunks.push(data));
    client.on('end', () => client.end(Buffer.concat(chunks)));
  });
}

function client(port: number): Socket {
  return connect({ host: '127.0.0.1', port, allowHalfOpen: true });
}

test('the task hears first who its client is, then what it says; the client may end first', async () => {
  const { port } = await relayTo(await echo(), true);
  const socket = client(port);
  await once(socket, 'connect');
  const { localPort } = socket;
  socket.end('hello');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const { client: told, rest } = readProxyHeader(Buffer.concat(chunks));
  expect(told).toEqual({ address: '127.0.0.1', port: localPort });
  expect(rest.toString()).toBe('hello');
  expect(counts).toMatchObject({ begun: 1, refused: 0 });
});

test('without a header nothing is added, however much is said', async () => {
  const { port } = await relayTo(await echo(), false);
  const socket = client(port);
  const said = 'x'.repeat(4 * 1_024 * 1_024);
  socket.end(said);
  expect(await text(socket)).toBe(said);
});

test('a task that refuses is a refusal to the client', async () => {
  const closed = await echo();
  await closing.pop()?.();
  const { port } = await relayTo(closed, true);
  const socket = client(port);
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
  expect(counts.open).toBe(0);
});

test('a task that ends ends its client', async () => {
  const port = await listen((task) => {
    task.on('error', () => undefined);
    task.end('bye\n');
  });
  const relay = await relayTo(port, false);
  const socket = client(relay.port);
  expect(await text(socket)).toBe('bye\n');
  socket.end();
  await once(socket, 'close');
  await relay.relay.drain(1_000);
  expect(counts.open).toBe(0);
});

test('draining waits for connections, and ends those that stay', async () => {
  const { port, relay } = await relayTo(await echo(), false);
  await relay.drain(0);
  const [short, long] = [client(port), client(port)];
  const ended = new Promise((resolve) => long.on('error', resolve).on('end', resolve));
  long.resume();
  await Promise.all([once(short, 'connect'), once(long, 'connect')]);
  await expect.poll(() => counts.open).toBe(2);
  short.end('a');
  expect(await text(short)).toBe('a');
  await relay.drain(50);
  expect(counts.open).toBe(0);
  await ended;
});
