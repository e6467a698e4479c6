// The docker command over TLS, from one machine to the engine of another: the commands of docs/api.md, as they stand there.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repository } from '../host/engine.ts';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { sharedSwarm } from './fleet.ts';

/** Of the server on one machine, of the client on the other. */
const folder = '/tmp/tls';
const port = 2376;

let server: Machine;
let client: Machine;
let pid: string | undefined;

beforeAll(async () => {
  const swarm = await sharedSwarm();
  server = swarm.m1;
  client = swarm.m2;
  makeCertificates();
  const files = ['--tlscacert=ca.pem', '--tlscert=server-cert.pem', '--tlskey=server-key.pem'];
  pid = await startApi([`--tcp=0.0.0.0:${port}`, '--tlsverify', ...files]);
  await eventually('the port is served', async () => {
    const { code } = await client.tryExec(['sh', '-c', `cd ${folder}; ${docker()} version`]);
    return code === 0;
  });
  const script = 'echo first; exec sleep 1d';
  const flags = ['--detach', '--name=tls', '--stop-signal=KILL'];
  await server.engine('run', ...flags, 'busybox', 'sh', '-c', script);
});

afterAll(async () => {
  if (pid !== undefined) await server.exec('kill', pid);
  const ids = await server.engine('ps', '--all', '--quiet', '--filter', 'name=tls');
  if (ids !== '') await server.engine('rm', '--force', ...ids.split('\n').filter(Boolean));
});

/** The command of who has a certificate. */
function docker(): string {
  const own = '--tlsverify --tlscacert=ca.pem --tlscert=cert.pem --tlskey=key.pem';
  return `docker --host=tcp://${server.address}:${port} ${own}`;
}

function makeCertificates(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-tls-'));
  try {
    const document = readFileSync(join(repository, 'docs/api.md'), 'utf8');
    const commands = document.match(/(?<=^\$ )openssl(?:.*\\\n)*.*$/gm) ?? [];
    for (const command of commands) {
      const addressed = command.replace('192.0.2.11', server.address);
      execFileSync('sh', ['-c', addressed], { cwd: scratch, stdio: 'ignore' });
    }
    for (const machine of [server, client])
      cpSync(scratch, machine.path(folder), { recursive: true });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** An api beside the machine's own, in no swarm; what it answers is the engine's. */
async function startApi(flags: readonly string[]): Promise<string> {
  const own = [
    `--data-dir=${folder}/data`,
    `--run-dir=${folder}/run`,
    `--socket=${folder}/docker.sock`,
    '--listen=127.0.0.1:12377',
    '--dispatcher-listen=127.0.0.1:12378',
    '--metrics-listen=off',
  ];
  const program = '/opt/shoal/bin/node /opt/shoal/apps/api/dist/main.mjs';
  const line = `cd ${folder}; ${program} ${[...own, ...flags].join(' ')} >log 2>&1 & echo $!`;
  return (await server.exec('sh', '-c', line)).trim();
}

/** What the docker command of the other machine prints; `input` is a command that makes its standard input. */
function over(words: string, input = ':'): Promise<string> {
  return client.exec('sh', '-c', `cd ${folder}; (${input}) | ${docker()} ${words}`);
}

test('exec: the end of what is typed is told, and what is said after it is heard', async () => {
  const command = `exec --interactive tls sh -c 'cat; sleep 1; echo after'`;
  expect(await over(command, 'echo typed')).toBe('typed\nafter\n');
});

test('exec: 10 MB there and back', async () => {
  const bytes = 10 * 1024 * 1024;
  const make = `head -c ${bytes} /dev/urandom >sent; cat sent`;
  const [back] = (await over('exec --interactive tls cat | sha256sum', make)).split(' ');
  const [sent] = (await client.exec('sha256sum', `${folder}/sent`)).split(' ');
  expect(back).toBe(sent);
});

test('run: standard input, both outputs, the exit code', async () => {
  const script = `cat; echo gone >&2; exit 7`;
  const run = `run --rm --interactive --name=tls-run busybox sh -c '${script}' 2>&1; echo "code $?"`;
  expect((await over(run, 'echo words')).split('\n').sort()).toEqual([
    '',
    'code 7',
    'gone',
    'words',
  ]);
});

test('logs that are followed arrive as they are written', async () => {
  const follow = `${docker()} logs --follow tls >logs & pid=$!`;
  const wait = (line: string): string => `until grep -q ${line} logs; do sleep 0.1; done`;
  const write = `${docker()} exec tls sh -c 'echo second >/proc/1/fd/1'`;
  const steps = [follow, wait('first'), write, wait('second'), 'kill $pid; cat logs'];
  const told = await client.exec('sh', '-c', `cd ${folder}\n${steps.join('\n')}`);
  expect(told).toBe('first\nsecond\n');
});

test('without a certificate, and without TLS, nobody gets in', async () => {
  const bare = `docker --host=tcp://${server.address}:${port}`;
  const ask = (flags: string) =>
    client.tryExec(['sh', '-c', `cd ${folder}; ${bare} ${flags} ps --quiet`]);
  const plain = await ask('');
  expect([plain.code, plain.stderr]).toEqual([
    1,
    expect.stringContaining('Client sent an HTTP request to an HTTPS server.'),
  ]);
  const nobody = await ask('--tlsverify --tlscacert=ca.pem');
  expect([nobody.code, nobody.stderr]).toEqual([
    1,
    expect.stringContaining('certificate required'),
  ]);
});
