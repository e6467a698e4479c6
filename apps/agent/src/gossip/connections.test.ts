import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type Answer, gossipKeyBytes, KeyRotation, type Question } from '@shoal/gossip';
import { type HostPort, systemRandom } from '@shoal/runtime';
import { freePort } from '@shoal/runtime/testing';
import { FakeClock } from '@shoal/stage/testing';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connections } from './connections.ts';
import { Listener } from './listener.ts';
import { gossipMetrics } from './metrics.ts';

const patience = { timeout: 10_000, interval: 5 };
const reachMs = 2_000;
const digestsMs = 10_000;
/** Longer than a host lets its consumers take before it answers. */
const slowPushMs = 2_100;
const digests: Question = { kind: 'digests', tables: [] };
const push: Question = { kind: 'push', news: { network: 'network1', records: [] } };
const same: Answer = { kind: 'reached', same: true };

let clock: FakeClock;
let keys: KeyRotation;
let to: HostPort;
let connections: Connections;
let close: (() => Promise<unknown>)[];

beforeEach(async () => {
  clock = new FakeClock();
  keys = new KeyRotation(systemRandom, clock);
  keys.replace([{ number: 1, key: new Uint8Array(gossipKeyBytes).fill(1) }]);
  to = { host: '127.0.0.1', port: await freePort() };
  const self = { id: 'n1', addr: to, incarnation: 0, standing: 'alive' as const };
  const metrics = gossipMetrics(new Registry());
  connections = new Connections({ keys, metrics, clock, self: () => self });
  close = [];
});
afterEach(async () => {
  connections.close();
  await Promise.all(close.map((end) => end()));
});

function reach(target: string): Question {
  return { kind: 'reach', target, digest: '' };
}

/** A host that takes connections and whatever is sent, and says nothing. */
async function fakeSilentHost(): Promise<readonly Socket[]> {
  const accepted: Socket[] = [];
  const server: Server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
    socket.resume();
  });
  server.listen(to);
  await once(server, 'listening');
  close.push(async () => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return accepted;
}

/** A host that answers all but what is asked of `nobody`, pushes late, and counts who comes. */
async function fakeSlowHost(): Promise<{ greeted: number; asked: number }> {
  const seen = { greeted: 0, asked: 0 };
  const listener = new Listener({
    ...{ keys, clock, metrics: gossipMetrics(new Registry()) },
    greeted: () => {
      seen.greeted += 1;
    },
    answer: (question) => {
      seen.asked += 1;
      if (question.kind === 'push') {
        return new Promise((resolve) => {
          clock.after(slowPushMs, () => resolve({ kind: 'pushed' }));
        });
      }
      const isHeld = question.kind !== 'reach' || question.target === 'nobody';
      return isHeld ? new Promise(() => undefined) : Promise.resolve(same);
    },
  });
  await listener.open(to);
  close.push(() => listener.close());
  return seen;
}

test('a connection on which nothing came while a question waited is given up', async () => {
  const accepted = await fakeSilentHost();
  const asked = connections.ask(to, reach('n2'));
  await vi.waitFor(() => expect(accepted).toHaveLength(1), patience);
  await clock.advance(reachMs - 1);
  const later = connections.ask(to, reach('n2'));
  await clock.advance(1);
  expect(await asked).toBeUndefined();
  expect(await later).toBeUndefined();
  void connections.ask(to, reach('n2'));
  await vi.waitFor(() => expect(accepted).toHaveLength(2), patience);
});

test('a slow host keeps its connection as long as anything comes', async () => {
  const seen = await fakeSlowHost();
  const never = connections.ask(to, reach('nobody'));
  expect(await connections.ask(to, reach('n2'))).toEqual(same);
  await clock.advance(reachMs);
  expect(await never).toBeUndefined();
  expect(await connections.ask(to, reach('n2'))).toEqual(same);
  expect(seen.greeted).toBe(1);
});

test('a host that takes its time for a push is waited for, and what was pushed later is answered too', async () => {
  const seen = await fakeSlowHost();
  const first = connections.ask(to, push);
  await vi.waitFor(() => expect(seen.asked).toBe(1), patience);
  const laterMs = 1_900;
  await clock.advance(laterMs);
  const later = connections.ask(to, push);
  await vi.waitFor(() => expect(seen.asked).toBe(2), patience);
  await clock.advance(slowPushMs - laterMs);
  expect(await first).toEqual({ kind: 'pushed' });
  await clock.advance(laterMs);
  expect(await later).toEqual({ kind: 'pushed' });
  expect(seen.greeted).toBe(1);
});

test('of questions that wait, the one that waits longest decides: answers come behind it', async () => {
  const seen = await fakeSlowHost();
  const long = connections.ask(to, digests);
  const short = connections.ask(to, reach('nobody'));
  await vi.waitFor(() => expect(seen.asked).toBe(2), patience);
  await clock.advance(reachMs);
  expect(await short).toBeUndefined();
  void connections.ask(to, reach('nobody'));
  await vi.waitFor(() => expect(seen.asked).toBe(3), patience);
  expect(seen.greeted).toBe(1);
  await clock.advance(digestsMs - reachMs);
  expect(await long).toBeUndefined();
  expect(await connections.ask(to, reach('n2'))).toEqual(same);
  expect(seen.greeted).toBe(2);
});
