import { createServer, request, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';
import { watchersMax } from './swarm-events.ts';

const deadline = { timeout: 10_000 };

let site: FakeSite;
/** What the engine was asked and has not answered; undefined once it answers at once. */
let pings: ServerResponse[] | undefined;
let streams: number;

beforeEach(async () => {
  pings = [];
  streams = 0;
  const fakeEngine = createServer(({ url = '' }, response) => {
    if (url === '/_ping') {
      if (pings === undefined) pong(response);
      else pings.push(response);
      return;
    }
    streams += 1;
    response.on('close', () => {
      streams -= 1;
    });
    response.writeHead(200).flushHeaders();
  });
  site = new FakeSite(fakeEngine);
  await site.start();
});
afterEach(() => site.close());

/** A client of the events; `begun` once it is answered. */
function client(): { readonly leave: () => void; readonly begun: Promise<void> } {
  const call = request({ socketPath: site.socket, path: '/v1.41/events' });
  call.on('error', () => undefined);
  const begun = new Promise<void>((resolve) => call.on('response', () => resolve()));
  call.end();
  return { leave: () => call.destroy(), begun };
}

function pong(response: ServerResponse): void {
  response.setHeader('api-version', '1.41').end('OK');
}

function tellVersion(): void {
  for (const ping of pings ?? []) pong(ping);
  pings = undefined;
}

function freeSlots(): number {
  const unwatch: (() => void)[] = [];
  for (;;) {
    const each = site.events.watch(new Map(), () => undefined);
    if (each === undefined) break;
    unwatch.push(each);
  }
  for (const each of unwatch) each();
  return unwatch.length;
}

test('a client that leaves is forgotten, also while the engine is slow to say its version', async () => {
  const early = client();
  await expect.poll(() => pings, deadline).toHaveLength(1);
  early.leave();
  await expect.poll(() => site.observed, deadline).toHaveLength(1);
  tellVersion();
  const patient = client();
  await patient.begun;
  expect(streams).toBe(1);
  expect(freeSlots()).toBe(watchersMax - 1);
  patient.leave();
  await expect.poll(() => streams, deadline).toBe(0);
  expect(freeSlots()).toBe(watchersMax);
});
