// What the engine of a host answers comes through Shoal's socket as it is: the same requests, byte by byte,
// to both sockets.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { httpOver } from '../host/http.ts';
import type { Machine } from '../hosts/machine.ts';
import { sharedSwarm } from './fleet.ts';
import { RawConnection, type RawHead, type RequestOptions, streamsOf, unchunked } from './raw.ts';

const megabyte = 1024 * 1024;
const sides = ['engine', 'shoal'] as const;
type Side = (typeof sides)[number];

let machine: Machine;

/** All tests are about this container; they leave it as it was. */
beforeAll(async () => {
  machine = (await sharedSwarm()).m1;
  const script = 'echo first; exec sleep 1d';
  const stop = '--stop-signal=KILL';
  await machine.engine('run', '--detach', '--name=raw', stop, 'busybox', 'sh', '-c', script);
});

afterAll(async () => {
  const ids = await machine.engine('ps', '--all', '--quiet', '--filter', 'name=raw');
  await machine.engine('rm', '--force', ...ids.split('\n').filter(Boolean));
});

function open(side: Side): RawConnection {
  return RawConnection.open(side === 'engine' ? machine.engineSocket : machine.socket);
}

/** The same on both sockets, one after the other. */
async function both<T>(ask: (connection: RawConnection, side: Side) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (const side of sides) {
    const connection = open(side);
    try {
      answers.push(await ask(connection, side));
    } finally {
      connection.destroy();
    }
  }
  return answers;
}

/** Headers that belong to one connection or one moment. */
const passing = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);

function lasting({ status, headers }: RawHead): object {
  return { status, headers: [...headers].filter(([name]) => !passing.has(name)) };
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function answer(
  connection: RawConnection,
  method: string,
  path: string,
  options: RequestOptions,
): Promise<object> {
  connection.request(method, path, options);
  const head = await connection.head();
  const raw = method === 'HEAD' ? Buffer.alloc(0) : await connection.rest();
  const body = head.headers.get('transfer-encoding') === 'chunked' ? unchunked(raw) : raw;
  return { ...lasting(head), body: body.toString('latin1') };
}

describe('plain answers', () => {
  test.each([
    ['GET', '/containers/raw/json'],
    ['GET', '/v1.41/containers/json?all=1'],
    ['GET', '/v1.24/images/busybox/json'],
    ['HEAD', '/containers/raw/archive?path=/etc/passwd'],
    ['GET', '/containers/raw/archive?path=/etc/passwd'],
    ['HEAD', '/containers/raw/archive?path=/nowhere'],
    ['GET', '/containers/raw/logs?stdout=1&stderr=1'],
    ['GET', '/containers/raw/changes'],
    ['GET', '/containers/raw/export'],
    ['GET', '/containers/nope/json'],
    ['POST', '/containers/nope/start'],
    ['POST', '/containers/raw/start'],
    ['POST', '/containers/raw/resize?h=nonsense&w=1'],
    ['GET', '/images/busybox/json'],
    ['GET', '/images/busybox/history'],
    ['GET', '/images/nope/json'],
    ['GET', '/images/busybox/get'],
    ['DELETE', '/images/nope'],
    ['GET', '/volumes'],
    ['GET', '/volumes/nope'],
    ['GET', '/plugins'],
    ['POST', '/containers/prune?filters=nonsense'],
  ])('%s %s', async (method, path) => {
    const [engine, shoal] = await both((connection) => answer(connection, method, path, {}));
    expect(shoal).toEqual(engine);
  });

  test.each([
    ['/containers/create', '{"Image":"nope"}'],
    ['/containers/create', '{bad'],
    ['/containers/raw/exec', '{}'],
    ['/exec/nope/start', '{"Detach":true}'],
    ['/volumes/create', '{"Name":"bad name"}'],
  ])('POST %s %s', async (path, body) => {
    const [engine, shoal] = await both((connection) => answer(connection, 'POST', path, { body }));
    expect(shoal).toEqual(engine);
  });
});

describe('connections of their own', () => {
  test('attach: both directions, and our end is told before the container answers', async () => {
    const sent = randomBytes(megabyte);
    const found = await both(async (connection, side) => {
      const name = `raw-${side}`;
      const script = 'sha256sum; echo to stderr >&2';
      await machine.engine('create', '-i', `--name=${name}`, 'busybox', 'sh', '-c', script);
      const query = 'stream=1&stdin=1&stdout=1&stderr=1';
      connection.request('POST', `/containers/${name}/attach?${query}`, { upgrade: true });
      const head = await connection.head();
      await machine.engine('start', name);
      connection.write(sent);
      connection.end();
      const { stdout, stderr } = streamsOf(await connection.rest());
      return { ...lasting(head), stdout: stdout.toString(), stderr: stderr.toString() };
    });
    expect(found[1]).toEqual(found[0]);
    expect(found[1]).toMatchObject({
      status: 'HTTP/1.1 101 UPGRADED',
      stdout: `${digest(sent)}  -\n`,
      stderr: 'to stderr\n',
    });
  });

  test.each([false, true])('exec, with a terminal: %s', async (Tty) => {
    const found = await both(async (connection) => {
      const Cmd = ['sh', '-c', 'read line; echo "heard $line"; exit 7'];
      const streams = { AttachStdin: true, AttachStdout: true, AttachStderr: true };
      const id = await makeExec({ ...streams, Tty, Cmd });
      const body = JSON.stringify({ Detach: false, Tty });
      connection.request('POST', `/exec/${id}/start`, { upgrade: true, body });
      const head = await connection.head();
      connection.write('words\n');
      const out = await connection.rest();
      const { body: state } = await httpOver(machine.socket, {
        method: 'GET',
        path: `/exec/${id}/json`,
      });
      const { ExitCode } = JSON.parse(state) as { readonly ExitCode: number };
      return { ...lasting(head), out: out.toString('latin1'), ExitCode };
    });
    expect(found[1]).toEqual(found[0]);
    expect(found[1]).toMatchObject({ ExitCode: 7 });
  });

  test('exec: a megabyte there and back, ended by our side', async () => {
    const sent = randomBytes(megabyte);
    const found = await both(async (connection) => {
      const id = await makeExec({ AttachStdin: true, AttachStdout: true, Cmd: ['cat'] });
      const body = JSON.stringify({ Detach: false, Tty: false });
      connection.request('POST', `/exec/${id}/start`, { upgrade: true, body });
      await connection.head();
      connection.write(sent);
      connection.end();
      return digest(streamsOf(await connection.rest()).stdout);
    });
    expect(found).toEqual([digest(sent), digest(sent)]);
  });

  test('a refusal in the place of an upgrade', async () => {
    const [engine, shoal] = await both((connection) =>
      answer(connection, 'POST', '/containers/nope/attach?stream=1', { upgrade: true }),
    );
    expect(shoal).toEqual(engine);
  });
});

async function makeExec(options: object): Promise<string> {
  const { body } = await httpOver(machine.socket, {
    method: 'POST',
    path: '/containers/raw/exec',
    body: JSON.stringify(options),
  });
  return (JSON.parse(body) as { readonly Id: string }).Id;
}

describe('streams without an end', () => {
  test('logs that are followed arrive as they are written', async () => {
    const found = await both(async (connection, side) => {
      connection.request('GET', '/containers/raw/logs?stdout=1&follow=1');
      const head = await connection.head();
      await connection.until('first');
      const line = `${side} is told at once`;
      const write = `echo ${line} >/proc/1/fd/1`;
      await machine.engine('exec', 'raw', 'sh', '-c', write);
      await connection.until(line);
      return lasting(head);
    });
    expect(found[1]).toEqual(found[0]);
  });

  test('stats come second by second', async () => {
    const found = await both(async (connection) => {
      connection.request('GET', '/containers/raw/stats?stream=1');
      const head = await connection.head();
      const first = await connection.until('\n');
      return { ...lasting(head), hasCpu: first.includes('cpu_stats') };
    });
    expect(found[1]).toEqual(found[0]);
  });

  test('events of the engine', async () => {
    const filters = encodeURIComponent(JSON.stringify({ container: ['raw'], event: ['rename'] }));
    const [engine, shoal] = sides.map((side) => open(side)) as [RawConnection, RawConnection];
    for (const connection of [engine, shoal])
      connection.request('GET', `/events?filters=${filters}`);
    const heads = [await engine.head(), await shoal.head()];
    expect(heads[1]?.status).toBe(heads[0]?.status);
    await machine.engine('rename', 'raw', 'raw-renamed');
    const lines = await Promise.all(
      [engine, shoal].map(async (connection) => {
        const bytes = await connection.until('}\n');
        connection.destroy();
        return /\{.*\}/.exec(bytes.toString())?.[0];
      }),
    );
    await machine.engine('rename', 'raw-renamed', 'raw');
    expect(JSON.parse(lines[1] ?? '')).toEqual(JSON.parse(lines[0] ?? ''));
  });
});

describe('large bodies', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-proxy-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  /** Sends a file in chunks and gives the whole answer. */
  async function send(method: string, path: string, file: string): Promise<string> {
    const headers = { 'content-type': 'application/x-tar' };
    const sent = request({ socketPath: machine.socket, method, path, headers });
    const answered = new Promise<string>((resolve, reject) => {
      sent.on('response', (response) => resolve(text(response)));
      sent.on('error', reject);
    });
    await pipeline(createReadStream(file), sent);
    return answered;
  }

  test('a build with 50 MB, what it made saved and loaded again', async () => {
    const content = randomBytes(50 * megabyte);
    writeFileSync(join(scratch, 'large'), content);
    writeFileSync(
      join(scratch, 'Dockerfile'),
      'FROM busybox\nCOPY large /\nRUN sha256sum /large\n',
    );
    const archive = join(scratch, 'context.tar');
    execFileSync('tar', [
      '--create',
      `--file=${archive}`,
      `--directory=${scratch}`,
      'Dockerfile',
      'large',
    ]);
    const built = await send('POST', '/build?t=raw-built', archive);
    expect(built).toContain(`{"stream":"${digest(content)}  /large\\n"}`);
    expect(built).toContain('Successfully tagged raw-built:latest');
    const saved = join(scratch, 'saved.tar');
    execFileSync('docker', [
      '--host',
      `unix://${machine.socket}`,
      'save',
      '--output',
      saved,
      'raw-built',
    ]);
    const straight = join(scratch, 'straight.tar');
    execFileSync('docker', [
      ...['--host', `unix://${machine.engineSocket}`],
      ...['save', '--output', straight, 'raw-built'],
    ]);
    expect(digest(readFileSync(saved))).toBe(digest(readFileSync(straight)));
    await machine.engine('rmi', 'raw-built');
    const loaded = await send('POST', '/images/load?quiet=1', saved);
    expect(loaded).toContain('Loaded image: raw-built:latest');
    await machine.engine('rmi', 'raw-built');
  });

  test('an archive put into a container', async () => {
    const content = randomBytes(8 * megabyte);
    writeFileSync(join(scratch, 'put'), content);
    const archive = join(scratch, 'put.tar');
    execFileSync('tar', ['--create', `--file=${archive}`, `--directory=${scratch}`, 'put']);
    expect(await send('PUT', '/containers/raw/archive?path=/tmp', archive)).toBe('');
    expect(await machine.engine('exec', 'raw', 'sha256sum', '/tmp/put')).toBe(
      `${digest(content)}  /tmp/put\n`,
    );
  });
});
