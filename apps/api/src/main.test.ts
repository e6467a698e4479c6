import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@shoal/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Credentials, TestAuthority, writeTlsFiles } from './http/tls/testing/authority.ts';
import { eventually } from './testing/hosts.ts';

const main = new URL('./main.ts', import.meta.url).pathname;
const hasCli = spawnSync('docker', ['--version']).status === 0;
if (!hasCli) console.warn('there is no docker command: its tests are skipped');
const waiting = { timeout: 15_000, interval: 50 };

let directory: string;
let socket: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-api-main-'));
  socket = join(directory, 'docker.sock');
});
afterEach(async () => {
  await end('SIGTERM');
  rmSync(directory, { recursive: true, force: true });
});

/** Ports of the loopback that other tests on the machine are unlikely to hold. */
const clusterPort = 20_000 + (process.pid % 20_000);

async function start(more: Readonly<Record<string, string>> = {}): Promise<void> {
  const flags = {
    'data-dir': join(directory, 'data'),
    'run-dir': join(directory, 'run'),
    socket,
    listen: `127.0.0.1:${clusterPort}`,
    'metrics-listen': 'off',
    engine: `unix://${join(directory, 'no-engine.sock')}`,
    'log-level': 'error',
    ...more,
  };
  const texts = Object.entries(flags).map(([key, value]) => `--${key}=${value}`);
  child = spawn(process.execPath, ['--conditions=@shoal/source', main, ...texts], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await expect.poll(() => ask('GET', '/_ping').then(({ status }) => status), waiting).toBe(200);
}

async function end(signal: NodeJS.Signals): Promise<number | null> {
  const ending = child;
  child = undefined;
  if (ending === undefined || ending.exitCode !== null) return ending?.exitCode ?? null;
  const ended = new Promise<number | null>((resolve) => ending.once('exit', resolve));
  ending.kill(signal);
  return ended;
}

function ask(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; json: unknown }> {
  return new Promise((resolve) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const call = request({ socketPath: socket, method, path, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on('error', () => resolve({ status: 0, json: undefined }));
      answer.on('end', () => {
        const json: unknown =
          text.startsWith('{') || text.startsWith('[') || text.startsWith('"')
            ? JSON.parse(text)
            : text;
        resolve({ status: answer.statusCode ?? 0, json });
      });
    });
    call.on('error', () => resolve({ status: 0, json: undefined }));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const init = { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: '127.0.0.1' };
const service = (Name: string): object => ({
  Name,
  TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
});

test('a swarm outlives its process, and leaving ends it', async () => {
  mkdirSync(join(directory, 'data/swarm'), { recursive: true });
  writeFileSync(join(directory, 'data/swarm/node.key'), 'left by an init that was cut short');
  await start();
  expect(existsSync(join(directory, 'data/swarm'))).toBe(false);
  const made = await ask('POST', '/swarm/init', init);
  expect(made).toMatchObject({ status: 200, json: expect.stringMatching(/^[0-9a-z]{25}$/) });
  expect((await ask('POST', '/services/create', service('web'))).status).toBe(201);
  await end('SIGKILL');

  await start();
  await expect
    .poll(() => ask('GET', '/services'), waiting)
    .toMatchObject({
      status: 200,
      json: [{ Spec: { Name: 'web' } }],
    });
  expect((await ask('GET', '/nodes')).json).toMatchObject([{ ID: made.json }]);
  expect((await ask('POST', '/swarm/leave')).status).toBe(503);
  expect((await ask('POST', '/swarm/leave?force=1')).status).toBe(200);
  expect(existsSync(join(directory, 'data/swarm'))).toBe(false);
  expect((await ask('GET', '/services')).status).toBe(503);
  expect((await ask('POST', '/swarm/init', init)).status).toBe(200);
  expect((await ask('GET', '/services')).json).toEqual([]);
  expect(await end('SIGTERM')).toBe(0);
}, 60_000);

test('a manager tells Prometheus how the cluster stands', async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  await start({ 'metrics-listen': listen });
  const gauges = async (): Promise<readonly string[]> => {
    const text = await (await fetch(`http://${listen}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith('shoal_cluster_'));
  };
  expect(await gauges()).toEqual([]);
  await ask('POST', '/swarm/init', init);
  await ask('POST', '/services/create', service('web'));
  await expect.poll(gauges, waiting).toContain('shoal_cluster_services 1');
  expect(await gauges()).toEqual(
    expect.arrayContaining(['shoal_cluster_services_converged 0', 'shoal_cluster_quorum 1']),
  );
  await ask('POST', '/swarm/leave?force=1');
  expect(await gauges()).toEqual([]);
}, 60_000);

test.each([
  [
    { tlsverify: 'true' },
    '--tlsverify is for the TCP port, and there is none: give --tcp as well, as in --tcp=0.0.0.0:2376, or leave --tlsverify out',
  ],
  [
    { tcp: '127.0.0.1:0', tls: 'true', tlscert: '/nowhere/cert.pem', tlskey: '/nowhere/key.pem' },
    '--tlscert=/nowhere/cert.pem cannot be read: there is no such file; give the path of a PEM file, seen from this process',
  ],
])('with %j it does not start, and says why', (flags, message) => {
  const where = { 'data-dir': directory, 'run-dir': directory, socket, 'metrics-listen': 'off' };
  const texts = Object.entries({ ...where, ...flags }).map(([key, value]) => `--${key}=${value}`);
  const words = ['--conditions=@shoal/source', main, ...texts];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  const [last = ''] = stderr.trim().split('\n').slice(-1);
  expect(JSON.parse(last)).toMatchObject({ event: 'start_failed', error: { message } });
  expect(status).toBe(1);
  expect(existsSync(socket)).toBe(false);
});

/** A connection to a port that may be opened only in a moment. */
async function connected(port: number): Promise<Socket> {
  return eventually('the port is open', () => {
    const client = connect(port, '127.0.0.1');
    return once(client, 'connect').then(
      () => client,
      () => undefined,
    );
  });
}

test('it stops in order while clients of its TCP port are connected', async () => {
  const port = await freePort();
  await start({ tcp: `127.0.0.1:${port}` });
  const [idle, under] = [await connected(port), await connected(port)];
  idle.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle, 'data');
  // Its body never ends.
  under.write('POST /swarm/init HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n');
  under.write('Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n');
  await once(under, 'data');
  expect(await end('SIGTERM')).toBe(0);
}, 60_000);

test('it takes no more calls once it stops, while the last is answered', async () => {
  await start();
  const last = connect(socket);
  last.on('error', () => undefined);
  last.write('POST /swarm/init HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n');
  last.write('Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n');
  await once(last, 'data');
  const ended = end('SIGTERM');
  await expect.poll(() => existsSync(socket), { timeout: 15_000, interval: 1 }).toBe(false);
  last.write('{}');
  const [answer] = await once(last, 'data');
  expect(String(answer)).toMatch(/^HTTP\/1\.1 400 .*"message"/s);
  last.destroy();
  expect(await ended).toBe(0);
}, 60_000);

// What is there when it dies, in the order in which it comes to be.
test.each(['swarm/log', 'swarm/ca.crt', 'swarm/node.json'])(
  'killed once init has made %s there is no swarm or a whole one',
  async (made) => {
    await start();
    const answer = ask('POST', '/swarm/init', init);
    const path = join(directory, 'data', made);
    await expect.poll(() => existsSync(path), { timeout: 15_000, interval: 1 }).toBe(true);
    await end('SIGKILL');
    await answer;
    await start();
    await expect
      .poll(async () => {
        const { status, json } = await ask('GET', '/nodes');
        if (status === 200) return Array.isArray(json) ? json.length : -1;
        return JSON.stringify(json).includes('docker swarm init') ? 1 : json;
      }, waiting)
      .toBe(1);
    if ((await ask('GET', '/nodes')).status !== 200)
      expect((await ask('POST', '/swarm/init', init)).status).toBe(200);
    expect((await ask('GET', '/swarm')).status).toBe(200);
  },
  60_000,
);

describe.skipIf(!hasCli)('the docker command', () => {
  const docker = (...words: string[]) => {
    const { stdout, stderr, status } = spawnSync('docker', words, {
      encoding: 'utf8',
      env: { ...process.env, DOCKER_HOST: `unix://${socket}` },
    });
    return { stdout, stderr: stderr.trim(), status };
  };

  test('makes a swarm and services, and says what users know', async () => {
    await start();
    expect(docker('node', 'ls').stderr).toBe(
      'Error response from daemon: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
    expect(docker('swarm', 'init', '--advertise-addr', 'nope0').stderr).toContain(
      'advertise address must be a non-zero IP address or network interface',
    );
    const made = docker('swarm', 'init', '--advertise-addr', '127.0.0.1').stdout;
    expect(made).toMatch(
      /^Swarm initialized: current node \([0-9a-z]{25}\) is now a manager\.\n\nTo add a worker to this swarm, run the following command:\n\n {4}docker swarm join --token SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25} 127\.0\.0\.1:\d+\n/,
    );
    const create = ['service', 'create', '-d', '--no-resolve-image', '--name'];
    expect(docker(...create, 'web', '--replicas', '2', 'busybox', 'sleep', '9').stdout).toMatch(
      /^[0-9a-z]{25}\n$/,
    );
    expect(docker(...create, 'web', 'busybox').stderr).toBe(
      'Error response from daemon: rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists',
    );
    expect(docker(...create, 'bad', 'BusyBox').stderr).toContain('BusyBox');
    expect(docker('service', 'ls').stdout).toMatch(/web +replicated +0\/2 +busybox:latest/);
    expect(docker('service', 'update', '-d', '--env-add', 'A=1', 'web').stdout).toBe('web\n');
    expect(docker('service', 'inspect', '--pretty', 'web').stdout).toContain('Env:\t\tA=1');
    expect(docker('service', 'scale', '-d', 'web=5').stdout).toContain('web scaled to 5');
    expect(docker('service', 'inspect', 'nope').stderr).toBe('Error: no such service: nope');
    expect(docker('service', 'rm', 'web').stdout).toBe('web\n');
    expect(docker('service', 'ls', '-q').stdout).toBe('');
    expect(docker('swarm', 'leave').stderr).toContain(
      'Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message.',
    );
    expect(docker('swarm', 'leave', '--force').stdout).toBe('Node left the swarm.\n');
  }, 60_000);

  /** What the command prints, with a certificate of its own or without, over TLS or not. */
  function overTcp(port: number, flags: readonly string[]): string {
    const words = ['-H', `tcp://localhost:${port}`, ...flags, 'node', 'ls', '-q'];
    // Where a user's own certificates would be looked for.
    const env = { ...process.env, DOCKER_HOST: undefined, DOCKER_CERT_PATH: directory };
    const { stdout, stderr } = spawnSync('docker', words, { encoding: 'utf8', env });
    return stdout + stderr;
  }

  test('comes over TLS, with a certificate', async () => {
    const authority = await TestAuthority.create();
    const files = writeTlsFiles(directory, await authority.issue(), authority);
    const port = await freePort();
    await start({ tcp: `127.0.0.1:${port}`, tlsverify: 'true', ...files });
    const known = await ask('POST', '/swarm/init', init);
    const flagsOf = ({ cert, key }: Credentials, name: string): readonly string[] => {
      const paths = { tlscert: `${name}-cert.pem`, tlskey: `${name}-key.pem` };
      writeFileSync(join(directory, paths.tlscert), cert);
      writeFileSync(join(directory, paths.tlskey), key);
      const given = Object.entries(paths).map(([flag, file]) => `--${flag}=${directory}/${file}`);
      return ['--tlsverify', `--tlscacert=${files.tlscacert}`, ...given];
    };
    const member = flagsOf(await authority.issue(), 'client');
    expect(overTcp(port, member)).toBe(`${known.json}\n`);
    const stranger = flagsOf(await (await TestAuthority.create()).issue(), 'stranger');
    expect(overTcp(port, stranger)).toMatch(/^error during connect: /);
    const nobody = ['--tlsverify', `--tlscacert=${files.tlscacert}`];
    expect(overTcp(port, nobody)).toContain('remote error: tls: certificate required');
    expect(overTcp(port, [])).toContain('Client sent an HTTP request to an HTTPS server.');
  }, 60_000);
});
