// Containers of tasks on other nodes, through a manager that runs none of them: what people do with
// containers works as if they were here.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CommandResult, run } from '../host/command.ts';
import { eventually } from '../host/wait.ts';
import type { Machine } from '../hosts/machine.ts';
import { createIdle, deadlineMs, runs } from '../scheduling/services.ts';
import { dockerHost, type Swarm, sharedSwarm, tidy } from './fleet.ts';

const megabyte = 1024 * 1024;
const terminal = join(import.meta.dirname, 'terminal.py');
/** Says a line each second, and echoes nothing. */
const talking = 'i=0; while :; do i=$((i+1)); echo "line $i"; sleep 1; done';

let swarm: Swarm;
let asked: Machine;
let scratch: string;
/** Name and id of the container on the worker. */
let name: string;
let id: string;

beforeAll(async () => {
  swarm = await sharedSwarm();
  asked = swarm.m2;
  scratch = mkdtempSync(join(tmpdir(), 'shoal-containers-'));
  const there = ['--constraint=node.hostname==w1'];
  await createIdle(swarm.m1, 'shell', there, ['sh', '-c', talking]);
  await runs(swarm.m1, 'shell', 1);
  const [found] = await swarm.w1.containers('shell');
  [name, id] = found ?? ['', ''];
});
beforeEach(() => swarm.fleet.explainFailure());
afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await tidy(swarm.m1);
});

function docker(...args: readonly string[]): Promise<string> {
  return asked.docker(...args);
}

function tryDocker(args: readonly string[], stdin = ''): Promise<CommandResult> {
  return asked.tryDocker(args, { stdin });
}

/** A docker command in a terminal: what it showed, and its exit code. */
async function inTerminal(
  args: readonly string[],
  ...steps: readonly object[]
): Promise<{ readonly code: number; readonly seen: string }> {
  const result = await run('/usr/bin/python3', [terminal, 'docker', ...args], {
    env: { DOCKER_HOST: dockerHost(asked) },
    stdin: JSON.stringify(steps),
  });
  if (result.code !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as { code: number; seen: string };
}

describe('a container of another node', () => {
  test('is inspected by its name, its id, the beginning of it, and its place in the service', async () => {
    for (const reference of [name, id, id.slice(0, 12), 'shell.1']) {
      const shown = await docker('inspect', '--format', '{{.Id}} {{.Name}}', reference);
      expect(shown.trim()).toBe(`${id} /${name}`);
    }
  });

  test('is not in the list of this host', async () => {
    expect(await docker('ps', '--all', '--no-trunc', '--quiet')).not.toContain(id);
  });

  test('is found by service and node for a global service', async () => {
    await createIdle(swarm.m1, 'everywhere', ['--mode=global']);
    await runs(swarm.m1, 'everywhere', 4);
    for (const machine of swarm.fleet.machines) {
      const hostname = await docker('exec', `everywhere.${machine.name}`, 'hostname');
      const [own] = [...(await machine.containers('everywhere')).values()];
      expect(own?.startsWith(hostname.trim())).toBe(true);
    }
  });
});

describe('exec', () => {
  test('gives standard output, standard error and the exit code of the command', async () => {
    const result = await tryDocker([
      'exec',
      'shell.1',
      'sh',
      '-c',
      'echo out; echo err >&2; exit 42',
    ]);
    expect(result).toEqual({ code: 42, stdout: 'out\n', stderr: 'err\n' });
    const missing = ['exec', id, 'no-such-program'];
    const local = await run('docker', ['--host', `unix://${swarm.w1.engineSocket}`, ...missing]);
    expect(await tryDocker(missing)).toEqual(local);
  });

  test('takes standard input to its end', async () => {
    const result = await tryDocker(
      ['exec', '-i', 'shell.1', 'sh', '-c', 'wc -c; echo done'],
      'piped',
    );
    expect(result.stdout).toBe('5\ndone\n');
    const much = 'x'.repeat(4 * megabyte);
    expect((await tryDocker(['exec', '-i', name, 'wc', '-c'], much)).stdout).toBe(
      `${much.length}\n`,
    );
  });

  test('loses nothing of much output, with an input that has ended', async () => {
    const script = 'seq 1 300000 | tee /tmp/numbers; md5sum < /tmp/numbers >&2';
    const { stdout, stderr } = await tryDocker(['exec', '-i', id, 'sh', '-c', script]);
    expect(createHash('md5').update(stdout).digest('hex')).toBe(stderr.split(' ')[0]);
  });

  test('in a terminal has its size, follows it, and ends with the exit code', async () => {
    const { code } = await inTerminal(
      ['exec', '-it', 'shell.1', 'sh'],
      { size: [33, 77] },
      { expect: '# ' },
      { send: 'stty size\n', expect: '33 77' },
      { size: [20, 60] },
      {
        send: 'until [ "$(stty size)" = "20 60" ]; do :; done; echo "now  $(stty size)"\n',
        expect: 'now  20 60',
      },
      { send: 'exit 7\n' },
    );
    expect(code).toBe(7);
  });

  test('is left by the detach keys, and goes on', async () => {
    const { seen } = await inTerminal(
      ['exec', '-it', '--detach-keys=ctrl-x,d', 'shell.1', 'sh', '-c', 'echo up; exec sleep 4321'],
      { size: [24, 80] },
      { expect: 'up' },
      { send: '\u0018d' },
    );
    expect(seen).toContain('read escape sequence');
    expect(await docker('exec', 'shell.1', 'ps')).toContain('sleep 4321');
  });

  test('goes on alone when it is told to', async () => {
    await docker('exec', '--detach', 'shell.1', 'touch', '/tmp/touched');
    await eventually('the file is there', async () => {
      return (await tryDocker(['exec', 'shell.1', 'ls', '/tmp/touched'])).code === 0;
    });
    expect(await docker('diff', 'shell.1')).toContain('A /tmp/touched');
  });
});

test('cp brings files there and back', async () => {
  const bytes = randomBytes(5 * megabyte);
  const [sent, fetched] = ['sent', 'fetched'].map((file) => join(scratch, file));
  if (sent === undefined || fetched === undefined) throw new Error('no files');
  writeFileSync(sent, bytes);
  await docker('cp', sent, 'shell.1:/tmp/copied');
  await docker('cp', `${name}:/tmp/copied`, fetched);
  expect(readFileSync(fetched).equals(bytes)).toBe(true);
  const missing = await tryDocker(['cp', 'shell.1:/no/such', scratch]);
  expect(missing.stderr).toContain('Could not find the file /no/such in container');
});

test('logs come at once, and are followed', async () => {
  expect(await docker('logs', '--tail=2', 'shell.1')).toMatch(/^line \d+\nline \d+\n$/);
  const followed = await asked.tryDocker(['logs', '--follow', '--tail=1', 'shell.1'], {
    timeoutMs: 3_500,
  });
  expect(followed.stdout.match(/line/g)?.length).toBeGreaterThanOrEqual(3);
});

test('stats are of the container there', async () => {
  const shown = await docker('stats', '--no-stream', '--format', '{{json .}}', 'shell.1');
  const { ID, Name } = JSON.parse(shown) as { readonly ID: string; readonly Name: string };
  expect(id.startsWith(ID)).toBe(true);
  expect(Name).toBe(name);
});

test('attach shows the output from now on', async () => {
  // The command takes no notice of other signals while it is attached.
  const attach = ['attach', '--no-stdin', '--sig-proxy=false', name];
  const { stdout } = await run('timeout', ['--signal=KILL', '2.5', 'docker', ...attach], {
    env: { DOCKER_HOST: dockerHost(asked) },
  });
  expect(stdout).toMatch(/^line \d+\n/);
  expect(await docker('inspect', '--format', '{{.State.Running}}', name)).toBe('true\n');
});

test('an exec goes on through another manager, and after the api that made it was killed', async () => {
  const { m1, m2 } = swarm;
  const Cmd = ['sh', '-c', 'echo said; exit 7'];
  const body = JSON.stringify({ Cmd, AttachStdout: true });
  const path = '/v1.41/containers/shell.1/exec';
  const made = await m2.http({ method: 'POST', path, body });
  const { Id } = JSON.parse(made.body) as { Id: string };
  const start = JSON.stringify({ Detach: false });
  const said = await m1.http({ method: 'POST', path: `/v1.41/exec/${Id}/start`, body: start });
  expect(said.body).toContain('said');
  await m2.killProcess('api');
  const told = await eventually(
    'the new api knows how it ended',
    async () => {
      const call = { method: 'GET', path: `/v1.41/exec/${Id}/json` };
      const answer = await m2.http(call).catch(() => undefined);
      return answer?.status === 200 && answer.body;
    },
    deadlineMs,
  );
  expect(JSON.parse(told)).toMatchObject({ ID: Id, ExitCode: 7, Running: false });
});

test('a container run by hand starts again when its network has gone from the host meanwhile', async () => {
  const { m1 } = swarm;
  await m1.docker('network', 'create', '--driver=overlay', '--attachable', 'meanwhile');
  const joined = ['--network=meanwhile', '--network-alias=me'];
  await m1.docker('run', '--detach', '--name=again', ...joined, 'busybox', 'sleep', '1d');
  await m1.docker('stop', '--time=0', 'again');
  await eventually(
    'the network has gone from the host',
    async () => {
      const left = await m1.engine('network', 'ls', '--format={{.Name}}');
      return !left.includes('meanwhile');
    },
    deadlineMs,
  );
  expect(await m1.docker('start', 'again')).toBe('again\n');
  const networks = await m1.docker(
    'inspect',
    '--format={{json .NetworkSettings.Networks}}',
    'again',
  );
  expect(networks).toContain('"me"');
  await m1.docker('rm', '--force', 'again');
  await m1.docker('network', 'rm', 'meanwhile');
});

test('what the swarm does itself is refused with the node', async () => {
  for (const command of [
    ['stop', name],
    ['rm', '--force', 'shell.1'],
  ]) {
    const { code, stderr } = await tryDocker(command);
    expect(code).toBe(1);
    expect(stderr).toContain(`${name} runs on node w1`);
  }
});

test('a worker knows its own containers, and no others', async () => {
  const { w1, m1 } = swarm;
  expect(await w1.docker('exec', name, 'echo', 'own')).toBe('own\n');
  await createIdle(m1, 'elsewhere', ['--constraint=node.hostname==m1']);
  await runs(m1, 'elsewhere', 1);
  expect((await w1.tryDocker(['exec', 'elsewhere.1', 'true'])).stderr).toContain(
    'No such container',
  );
});

test('an exec is noted on the node: who and where, not what', async () => {
  await docker('exec', '--env=PASSWORD=hunter2', 'shell.1', 'true');
  const log = join(swarm.w1.path('/var/lib/shoal/logs'), 'agent.log');
  const lines = await eventually(
    'the exec is in the log',
    () => {
      const found = readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line.includes('remote_exec_started'));
      return found.length > 0 && found;
    },
    deadlineMs,
  );
  const m2 = await docker('node', 'inspect', '--format', '{{.ID}}', 'self');
  expect(lines.at(-1)).toContain(`"by":"${m2.trim()}"`);
  expect(readFileSync(log, 'utf8')).not.toContain('hunter2');
});
