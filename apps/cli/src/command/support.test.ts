import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Terminal } from '../terminal.ts';
import { support } from './support.ts';

const token =
  'SWMTKN-1-49nj1cmql0jkz5s954yi3oex3nedyz0fb0xx14ie39trti4wxv-8vxv8rssmk743ojnwacrr2e7c';
const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----';

let directory: string;
let servers: Server[];
let said: string[];
let printed: string[];
const fakeTerminal: Terminal = {
  say: (line) => void said.push(line),
  print: (text) => void printed.push(text),
};
const path = (...names: readonly string[]): string => join(directory, ...names);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-support-test-'));
  [servers, said, printed] = [[], [], []];
  mkdirSync(path('data', 'logs'), { recursive: true });
  mkdirSync(path('run'));
});
afterEach(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

async function serve(answers: Readonly<Record<string, unknown>>, at: string | number) {
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ''];
    response.statusCode = answer === undefined ? 503 : 200;
    response.end(
      typeof answer === 'string' ? answer : JSON.stringify(answer ?? { message: 'not a manager' }),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) =>
    typeof at === 'string' ? server.listen(at, resolve) : server.listen(at, '127.0.0.1', resolve),
  );
  return server.address() as AddressInfo;
}

/** What is in the archive, by path below its folder. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const output = path('out.tar.gz');
  await support(
    {
      ...{ dataDir: path('data'), runDir: path('run'), socket: path('docker.sock') },
      ...{ engine: `unix://${path('no-engine.sock')}`, version: '1.2.3', output },
    },
    fakeTerminal,
  );
  expect(printed).toEqual([output]);
  expect(statSync(output).mode & 0o777).toBe(0o600);
  mkdirSync(path('unpacked'));
  execFileSync('tar', ['-C', path('unpacked'), '--strip-components=1', '-xzf', output]);
  const names = execFileSync('find', ['.', '-type', 'f'], { cwd: path('unpacked') }).toString();
  const files = names
    .trim()
    .split('\n')
    .map((name) => name.slice(2));
  return new Map(files.map((name) => [name, readFileSync(path('unpacked', name), 'utf8')]));
}

test('it tells how host, processes and swarm stand, and no secret', async () => {
  const { port } = await serve({ '/metrics': 'up 1\n', '/readyz': '{"ready":true}' }, 0);
  const record = { process: 'api', pid: process.pid, admin: `127.0.0.1:${port}` };
  writeFileSync(path('run', 'api.json'), JSON.stringify(record));
  writeFileSync(path('data', 'logs', 'api.log'), `{"msg":"joined by ${token}"}\n${key}\n`);
  const meta = { ID: 's1', CreatedAt: 'then', UpdatedAt: 'now' };
  const ContainerSpec = { Image: 'web:1', Env: ['PASSWORD=hidden'], Args: ['--key=hidden'] };
  const Labels = { 'shoal.rank': 'free', 'traefik.auth': 'hidden' };
  await serve(
    {
      '/shoal/v1/status': { services: { unconverged: [{ id: 's1', reason: 'no node' }] } },
      '/shoal/v1/services/s1/explain': { tasks: [{ waitsFor: 'a node with 2 GiB' }] },
      '/services': [{ ...meta, Spec: { Name: 'web', Labels, TaskTemplate: { ContainerSpec } } }],
      '/tasks': [
        { ...meta, DesiredState: 'running', Status: { Err: 'no node' }, Spec: { ContainerSpec } },
      ],
      '/nodes': [
        {
          ...meta,
          Spec: { Role: 'worker', Availability: 'active', Labels },
          Description: {
            Hostname: 'h',
            Engine: { EngineVersion: '28' },
            TLSInfo: { TrustRoot: 'hidden' },
          },
        },
      ],
    },
    path('docker.sock'),
  );
  const files = await bundle();
  const all = [...files.values()].join('\n');
  for (const secret of ['hidden', token, 'MIGHAgEA']) expect(all).not.toContain(secret);
  expect(files.get('logs/api.log')).toBe('{"msg":"joined by [removed]"}\n[removed]\n');
  expect(files.get('processes/api/metrics.txt')).toBe('up 1\n');
  expect(files.get('processes/api/ready.json')).toBe('{"ready":true}');
  expect(JSON.parse(files.get('host/about.json') ?? '')).toMatchObject({ shoal: '1.2.3' });
  expect(files.get('swarm/unconverged.json')).toContain('a node with 2 GiB');
  expect(JSON.parse(files.get('swarm/services.json') ?? '')).toMatchObject([
    {
      Spec: {
        Labels: { 'shoal.rank': 'free', 'traefik.auth': '[removed]' },
        TaskTemplate: { ContainerSpec: { Image: 'web:1' } },
      },
    },
  ]);
  expect(files.get('swarm/tasks.json')).toContain('no node');
  expect(files.get('contents.txt')).toMatch(/^swarm\/capacity\.json: not a manager$/m);
  expect(files.get('contents.txt')).toMatch(/^logs\/api\.log \d+$/m);
});

test('a host that is down has less to tell, and says what is missing', async () => {
  const files = await bundle();
  expect(files.get('contents.txt')).toMatch(/^logs: there is no log in /m);
  expect(files.get('contents.txt')).toMatch(/^swarm\/status\.json: no api answers at /m);
  expect([...files.keys()].some((name) => name.startsWith('swarm/'))).toBe(false);
  expect(files.get('host/disks.txt')).toContain('/');
  expect(said[0]).toMatch(/^\d+ files; \d+ could not be had, contents\.txt says why$/);
});

test('a file that is there is left alone', async () => {
  writeFileSync(path('out.tar.gz'), 'mine');
  await expect(bundle()).rejects.toThrow('is there already: name a new file');
  expect(readFileSync(path('out.tar.gz'), 'utf8')).toBe('mine');
});

test('of a long log the end is kept, from a whole line on', async () => {
  const line = `${'x'.repeat(1_023)}\n`;
  writeFileSync(path('data', 'logs', 'agent.log'), line.repeat(9 * 1_024));
  const log = (await bundle()).get('logs/agent.log') ?? '';
  expect(log.length).toBeLessThanOrEqual(8 * 1_024 * 1_024);
  expect(log.length).toBeGreaterThan(8 * 1_024 * 1_024 - 2_048);
  expect(log.startsWith('x'.repeat(1_023))).toBe(true);
});
