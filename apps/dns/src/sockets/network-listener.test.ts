// Sockets that fail in every way: never bound, silent, broken, or of a namespace that is another one.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Clock, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Serve } from '../server/serve.ts';
import { eventually } from '../testing/ask.ts';
import type { AddressSockets, Bound } from './namespace-sockets.ts';
import { NetworkListener } from './network-listener.ts';

/** Seconds pass in moments. */
const fastClock: Clock = {
  ...systemClock,
  after: (delayMs, fire) => systemClock.after(delayMs / 50, fire),
};

let port: number;
let identity: string | undefined;
let made: AddressSockets[];
let failures: number;
let changes: string[];
let listener: NetworkListener | undefined;

beforeEach(async () => {
  const free = createSocket('udp4').bind(0, '127.0.0.1');
  await once(free, 'listening');
  port = free.address().port;
  free.close();
  identity = 'one';
  made = [];
  failures = 0;
  changes = [];
});
afterEach(() => listener?.close());

async function udp(at: number): Promise<Socket> {
  const socket = createSocket('udp4').bind(at, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Binds here what the child binds in a namespace. */
async function fakeBind(): Promise<Bound> {
  if (failures > 0) {
    failures -= 1;
    return { kind: 'failed', reason: 'the address is not there' };
  }
  const tcp = createServer().listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const sockets = { address: '127.0.0.1', udp: await udp(port), tcp, probe: await udp(0) };
  made.push(sockets);
  return { kind: 'bound', sockets: [sockets] };
}

/** The shortest answer there is. */
const echo: Serve = (packet) => {
  const reply = Buffer.from(packet);
  reply.writeUInt16BE(0x8000, 2);
  return reply;
};

function listen(serve: Serve): NetworkListener {
  listener = new NetworkListener({
    networkId: 'n',
    place: { namespace: '/run/netns/n', addresses: ['127.0.0.1'] },
    port,
    bind: fakeBind,
    identify: () => Promise.resolve(identity),
    serve,
    clock: fastClock,
    random: systemRandom,
    logger: silentLogger,
    onChange: (why) => changes.push(why),
  });
  return listener;
}

const bound = (times: number): Promise<unknown> =>
  eventually(
    `bound ${times} times`,
    () => made.length === times && listener?.problem === undefined,
  );

test('what works is left alone', async () => {
  let questions = 0;
  listen((...query) => {
    questions += 1;
    return echo(...query);
  });
  await eventually('ten questions to ourselves', () => questions >= 10);
  expect(made).toHaveLength(1);
  expect(changes).toEqual(['bound']);
});

test('what cannot be bound yet is tried again, and says why', async () => {
  failures = Number.POSITIVE_INFINITY;
  const one = listen(echo);
  expect(one.problem).toBe('it is not listened on yet');
  await eventually('three tries', () => changes.length >= 3 || undefined);
  expect(one.problem).toBe('the address is not there');
  failures = 0;
  await bound(1);
  expect(changes.slice(0, 3)).toEqual(['not-bound', 'not-bound', 'not-bound']);
  expect(changes.at(-1)).toBe('bound');
});

test('a namespace that is not there is no reason to start a process', async () => {
  identity = undefined;
  const one = listen(echo);
  await eventually('a reason', () => one.problem === '/run/netns/n is not there');
  expect(made).toHaveLength(0);
  identity = 'one';
  await bound(1);
});

test('sockets that do not answer are made anew', async () => {
  let silent = true;
  listen((...query) => (silent ? undefined : echo(...query)));
  await eventually('given up', () => changes.includes('self-check'));
  silent = false;
  await bound(2);
});

test('one answer that is missing is no reason', async () => {
  let questions = 0;
  listen((...query) => {
    questions += 1;
    return questions % 2 === 0 ? undefined : echo(...query);
  });
  await eventually('ten questions to ourselves', () => questions >= 10);
  expect(changes).toEqual(['bound']);
});

test('a broken socket is made anew', async () => {
  listen(echo);
  await bound(1);
  made[0]?.udp.emit('error', new Error('broken'));
  await bound(2);
});

test('another namespace of the same name is listened on instead', async () => {
  listen(echo);
  await bound(1);
  identity = 'two';
  await bound(2);
  expect(changes).toEqual(['bound', 'namespace', 'bound']);
});

test('closed while it binds, it leaves nothing open', async () => {
  const one = listen(echo);
  one.close();
  await eventually('bound', () => made.length === 1);
  // The same port is free again.
  await eventually('free', () => {
    try {
      made[0]?.udp.address();
      return undefined;
    } catch {
      return true;
    }
  });
});
