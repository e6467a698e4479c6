import { createServer, type IncomingMessage, request, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeSite } from '../testing/fake-host.ts';
import { watchersMax } from './swarm-events.ts';

const deadline = { timeout: 10_000 };

let site: FakeSite;
/** What the engine was asked and has not answered; undefined once it answers at once. */
let pings: ServerResponse[] | undefined;
let streams: number;
/** Whether the engine begins the events that it is asked for. */
let isSilent: boolean;
/** All that the engine has to tell, if that has an end. */
let whole: string | undefined;

beforeEach(async () => {
  pings = [];
  streams = 0;
  isSilent = false;
  whole = undefined;
  const fakeEngine = createServer(({ url = '', socket }, response) => {
    if (url === '/_ping') {
      if (pings === undefined) pong(response);
      else pings.push(response);
      return;
    }
    if (url === '/version') {
      response.end('{}');
      return;
    }
    streams += 1;
    response.on('close', () => {
      streams -= 1;
    });
    if (whole !== undefined) response.end(whole);
    else if (!isSilent) response.writeHead(200).flushHeaders();
    // As Go's server: who says no more waits for nothing that has no end.
    socket.on('end', () => response.end());
  });
  Object.assign(fakeEngine, { httpAllowHalfOpen: true });
  site = new FakeSite(fakeEngine);
  await site.start();
});
afterEach(() => {
  vi.restoreAllMocks();
  return site.close();
});

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
  tellVersion();
  await expect.poll(() => site.observed, deadline).toHaveLength(1);
  const patient = client();
  await patient.begun;
  expect(streams).toBe(1);
  expect(freeSlots()).toBe(watchersMax - 1);
  patient.leave();
  await expect.poll(() => streams, deadline).toBe(0);
  expect(freeSlots()).toBe(watchersMax);
});

test('a client that leaves while the engine does not begin is forgotten after a while', async () => {
  tellVersion();
  isSilent = true;
  // The while is over at once.
  vi.spyOn(ServerResponse.prototype, 'setTimeout').mockImplementation(function (
    this: ServerResponse,
    ms,
    over,
  ) {
    if (ms > 0) over?.();
    return this;
  });
  const leaving = client();
  await expect.poll(() => streams, deadline).toBe(1);
  expect(freeSlots()).toBe(watchersMax - 1);
  leaving.leave();
  await expect.poll(() => streams, deadline).toBe(0);
  expect(freeSlots()).toBe(watchersMax);
});

test('a client that says no more is told the past; what would come has no end for it', async () => {
  tellVersion();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  await site.ask('POST', '/secrets/create', { Name: 's', Data: 'eA==' });
  for (const since of ['0', '1']) {
    const socket = connect({ path: site.socket, allowHalfOpen: true });
    const told = text(socket.end(`GET /v1.41/events?since=${since} HTTP/1.0\r\n\r\n`));
    await expect(told).resolves.toContain('"Type":"secret"');
  }
  const idle = connect({ path: site.socket, allowHalfOpen: true });
  idle.write('GET /v1.41/events HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => streams, deadline).toBe(1);
  expect(await text(idle.end())).not.toContain('"Type"');
  await expect.poll(() => streams, deadline).toBe(0);
  expect(freeSlots()).toBe(watchersMax);
});

test('a client that reads slowly gets all of a past that is over, whatever happens meanwhile', async () => {
  tellVersion();
  await site.ask('POST', '/swarm/init', { ListenAddr: '0.0.0.0:2377' });
  whole = `${JSON.stringify({ Type: 'image', Action: 'pull', timeNano: 1 })}\n`.repeat(80_000);
  const call = request({ socketPath: site.socket, path: '/v1.41/events?since=1&until=2' });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    call.on('response', resolve).on('error', reject).end();
  });
  await expect.poll(() => streams, deadline).toBe(0);
  const created = await site.ask('POST', '/secrets/create', { Name: 'key', Data: 'a2V5' });
  expect(created.status).toBe(201);
  expect((await text(response)).startsWith(whole)).toBe(true);
});
