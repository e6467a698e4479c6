import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { KeyRotation } from '@shoal/gossip';
import { systemClock, systemRandom } from '@shoal/runtime';
import { freePort } from '@shoal/runtime/testing';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Listener, type SecureConnections } from './listener.ts';
import { gossipMetrics } from './metrics.ts';

/** Of one address. */
const strangersMax = 64;

let port: number;
let listener: Listener;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  port = await freePort();
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await listener.close();
});

async function listen(secure?: SecureConnections): Promise<void> {
  listener = new Listener({
    keys: new KeyRotation(systemRandom, systemClock),
    metrics: gossipMetrics(new Registry()),
    clock: systemClock,
    greeted: () => undefined,
    answer: async () => undefined,
    secure,
  });
  await listener.open({ host: '127.0.0.1', port });
}

function knock(first?: Buffer): Socket {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  sockets.push(socket);
  if (first !== undefined) socket.write(first);
  return socket;
}

const hello = Buffer.from([0x16, 3, 1, 0, 5]);

describe('a connection that begins with a TLS handshake', () => {
  test('is handed over untouched, and is no stranger of gossip any more', async () => {
    const taken: Socket[] = [];
    await listen((socket, first) => {
      taken.push(socket);
      sockets.push(socket);
      socket.unshift(first);
      socket.pipe(socket);
    });
    for (let at = 0; at <= strangersMax; at += 1) {
      const socket = knock(hello);
      socket.end('more');
      expect(await text(socket)).toBe(`${hello.toString()}more`);
    }
    expect(taken).toHaveLength(strangersMax + 1);
  });

  test('is closed where nobody takes it', async () => {
    await listen();
    expect(await text(knock(hello))).toBe('');
  });
});

test('of strangers that say nothing the oldest gives way, and nobody is kept out', async () => {
  await listen((socket) => socket.end('taken'));
  const silent = Array.from({ length: strangersMax }, () => knock());
  const ended: number[] = [];
  for (const [at, socket] of silent.entries()) socket.on('close', () => ended.push(at));
  await Promise.all(silent.map((socket) => new Promise((ready) => socket.once('connect', ready))));
  expect(await text(knock(hello))).toBe('taken');
  expect(ended).toEqual([0]);
});
