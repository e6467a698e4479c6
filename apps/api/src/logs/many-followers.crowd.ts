import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { pause, systemClock } from '@shoal/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostAnswer, HostAsk } from '../testing/fake-log-host.ts';
import type { ProbeData } from '../testing/fake-prober.ts';

const followers = 1_000;
/** Followers that connect at the same time. */
const atOnce = 200;
/** Followers that take nothing after the first bytes, until the end. */
const still = 100;
const lines = 200;
const perSecond = 200;
/** Longest answer to others but for one in a hundred, milliseconds. */
const p99MsMax = 100;
/** Longest answer while there are no followers, on a computer with time to spare, milliseconds. */
const calmMsMax = 15;
/** Longest work of the process in which nobody else has a turn, but for one in a hundred, milliseconds. */
const stretchMsMax = 60;
/** What all followers together may cost, bytes: those that stand still have their socket's buffer full. */
const memoryBytesMax = 250 << 20;

/** So long the answers are timed without followers, milliseconds. */
const quietMs = 500;

let host: ChildProcess;
let socket: string;
let ended: Promise<never>;

async function answer<K extends HostAnswer['kind']>(
  kind: K,
): Promise<Extract<HostAnswer, { readonly kind: K }>> {
  for (;;) {
    const [told] = (await Promise.race([once(host, 'message'), ended])) as [HostAnswer];
    if (told.kind === kind) return told as Extract<HostAnswer, { readonly kind: K }>;
  }
}

function load(): Promise<Extract<HostAnswer, { readonly kind: 'load' }>> {
  host.send({ kind: 'load' } satisfies HostAsk);
  return answer('load');
}

beforeAll(async () => {
  const script = join(import.meta.dirname, '../testing/fake-log-host.ts');
  const execArgv = ['--conditions=@shoal/source', '--expose-gc'];
  host = fork(script, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  ended = once(host, 'exit').then(() => {
    throw new Error('the host has ended');
  });
  // It is to end when the test is over.
  ended.catch(() => undefined);
  socket = (await answer('up')).socket;
}, 60_000);
afterAll(() => {
  host.disconnect();
});

/** Counts lines by their ends; one that stands still reads nothing. */
class Follower {
  lines = 0;
  readonly #response: IncomingMessage;

  constructor(response: IncomingMessage, reads: boolean) {
    this.#response = response;
    if (reads) this.read();
  }

  read(): void {
    this.#response.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) this.lines += 1;
    });
  }

  close(): void {
    this.#response.destroy();
  }
}

function p99Of(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

function get(path: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socket, path, agent }, resolve);
    call.on('error', reject);
    call.end();
  });
}

/** Asks again and again until told to stop; gives the time of each answer, milliseconds. */
function probe(path: string): () => Promise<readonly number[]> {
  const workerData: ProbeData = { socketPath: socket, path };
  const script = new URL('../testing/fake-prober.ts', import.meta.url);
  const worker = new Worker(script, { workerData, execArgv: ['--conditions=@shoal/source'] });
  return async () => {
    worker.postMessage('stop');
    const [times] = (await once(worker, 'message')) as [readonly number[]];
    return times;
  };
}

test('a thousand followers hold up nobody, and each gets every line', async () => {
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const path = '/v1.50/services/web/logs?stdout=1&stderr=1&details=1&follow=1&tail=all';
  const stopQuiet = probe('/v1.50/tasks');
  await pause(systemClock, quietMs);
  const quiet = p99Of(await stopQuiet());
  const before = await load();
  const all: Follower[] = [];
  while (all.length < followers) {
    const some = Array.from({ length: atOnce }, () => get(path, agent));
    for (const response of await Promise.all(some))
      all.push(new Follower(response, all.length >= still));
  }
  const stopProbing = probe('/v1.50/tasks');
  host.send({ kind: 'write', lines, perSecond } satisfies HostAsk);
  await answer('written');
  const readers = all.slice(still);
  await expect
    .poll(() => readers.every((follower) => follower.lines === lines), { timeout: 20_000 })
    .toBe(true);
  const p99 = p99Of(await stopProbing());
  const after = await load();
  const used = after.bytes - before.bytes;
  const rounded = [quiet, p99, after.stretchMs, used / (1 << 20)].map(Math.round);
  console.info('ms without and with followers, at a stretch, MiB: %s', rounded.join(', '));
  // Those that stood still missed nothing.
  for (const follower of all.slice(0, still)) follower.read();
  await expect
    .poll(() => all.every((follower) => follower.lines === lines), { timeout: 20_000 })
    .toBe(true);
  for (const follower of all) follower.close();
  expect(after.stretchMs).toBeLessThan(stretchMsMax);
  // Where others keep the processors busy, times say nothing of this process.
  if (quiet < calmMsMax) expect(p99).toBeLessThan(p99MsMax);
  expect(used).toBeLessThan(memoryBytesMax);
}, 60_000);
