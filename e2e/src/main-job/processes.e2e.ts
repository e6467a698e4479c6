// Every stage is a process of its own: seen, measured, scaled out, stopped and run alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { parse } from 'yaml';
import { run } from '../host/command.ts';
import { repository } from '../host/engine.ts';
import { Host } from '../host/host.ts';
import { eventually } from '../host/wait.ts';

const followers = ['api', 'orchestrator', 'allocator', 'scheduler', 'dispatcher'];
const processes = [...followers, 'agent', 'dns', 'ingress-lb'];
let host: Host;

beforeAll(async () => {
  host = await Host.create('processes');
  await host.up();
  await host.init();
});

afterAll(async () => {
  await host.destroy();
});

/** Where a process serves its metrics and health. */
function adminOf(process_: string): string {
  const said: unknown = JSON.parse(
    readFileSync(join(host.runDirectory, `${process_}.json`), 'utf8'),
  );
  return (said as { admin: string }).admin;
}

const monitoring = join(repository, 'deploy/prometheus');
const hasPromtool = existsSync('/usr/bin/promtool');
if (!hasPromtool) console.warn('promtool is not on this computer: alerts are not played through');

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}

function alerts(): readonly Alert[] {
  const text = readFileSync(join(monitoring, 'alerts.yml'), 'utf8');
  const { groups } = parse(text) as { groups: readonly { readonly rules: readonly Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

describe('each process', () => {
  test('has a row in status, with role, health and log position', async () => {
    await eventually('all follow the log', async () => {
      const { stdout } = await host.shoal('status');
      expect(stdout).toMatch(/^PROCESS +ROLE +PID +UPTIME +RESTARTS +HEALTH +LOG/);
      return processes.every((name) =>
        new RegExp(
          `\\n${name} +\\S+ +\\d+ +\\S+ +0 +healthy +${followers.includes(name) ? '[1-9]\\d*' : '-'}`,
        ).test(stdout),
      );
    });
  });

  test.each(processes)('%s serves metrics, health and readiness', async (process_) => {
    const admin = adminOf(process_);
    const metrics = await fetch(`http://${admin}/metrics`);
    expect(metrics.status).toBe(200);
    const names = (await metrics.text()).split('\n').filter((line) => /^[a-z]/.test(line));
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(name).toMatch(/^shoal_/);
    for (const path of ['healthz', 'readyz']) {
      const answer = await fetch(`http://${admin}/${path}`);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ process: process_, healthy: true, ready: true });
    }
  });

  test('and what the alerts ask for is served by one of them, under the names they use', async () => {
    const texts = await Promise.all(
      processes.map(async (name) => (await fetch(`http://${adminOf(name)}/metrics`)).text()),
    );
    const served = texts.join('\n');
    const rules = alerts();
    expect(rules.length).toBeGreaterThan(10);
    for (const rule of rules) {
      const asked = rule.expr.match(/shoal_\w+/g) ?? [];
      expect(asked, rule.alert).not.toEqual([]);
      for (const name of asked) expect(served).toMatch(new RegExp(`^# TYPE ${name} `, 'm'));
      const samples = asked.flatMap(
        (name) => served.match(new RegExp(`^${name}\\{.*`, 'gm')) ?? [],
      );
      for (const [, label] of rule.annotations.summary.matchAll(/\$labels\.(\w+)/g))
        for (const sample of samples) expect(sample, rule.alert).toContain(`${label}="`);
    }
  });

  test.runIf(hasPromtool)('and the alerts come when they should', async () => {
    for (const args of [
      ['check', 'rules', join(monitoring, 'alerts.yml')],
      ['test', 'rules', join(monitoring, 'alerts.test.yml')],
    ]) {
      const outcome = await run('promtool', args);
      expect(outcome, outcome.stdout + outcome.stderr).toMatchObject({ code: 0 });
    }
  });

  test('logs JSON lines, with no secret in them', async () => {
    const inspected = JSON.parse((await host.http('GET', '/swarm')).body) as {
      JoinTokens: { Worker: string; Manager: string };
    };
    for (const process_ of processes) {
      const log = readFileSync(join(host.dataDirectory, 'logs', `${process_}.log`), 'utf8');
      for (const line of log.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('event');
      expect(log).not.toContain(inspected.JoinTokens.Worker.slice(-25));
      expect(log).not.toContain(inspected.JoinTokens.Manager.slice(-25));
      expect(log).not.toContain('PRIVATE KEY');
    }
  });
});

test('all that tells how they stand is in one archive, and nothing that opens the swarm', async () => {
  const archive = join(inject('scratch'), 'support.tar.gz');
  const secret = 'hidden-in-the-environment';
  await host.docker(
    ...['service', 'create', '--detach', '--name', 'nowhere', '--env', `PASSWORD=${secret}`],
    ...['--constraint', 'node.labels.none==1', 'busybox', 'true'],
  );
  const paths = [`--data-dir=${host.dataDirectory}`, `--socket=${host.socket}`];
  const outcome = await host.shoal('support', `--output=${archive}`, ...paths);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0, stdout: `${archive}\n` });
  const unpacked = async (member: string): Promise<string> =>
    (await run('tar', ['-xzOf', archive, '--wildcards', `*/${member}`])).stdout;
  const contents = (await unpacked('contents.txt')).trim().split('\n');
  for (const name of processes) {
    expect(contents).toContainEqual(expect.stringMatching(`^logs/${name}\\.log \\d+$`));
    expect(await unpacked(`processes/${name}/metrics.txt`)).toContain('shoal_');
  }
  for (const name of ['status', 'nodes', 'services', 'tasks', 'unconverged', 'net-verify'])
    expect(contents).toContainEqual(expect.stringMatching(`^swarm/${name}\\.json \\d+$`));
  expect(await unpacked('swarm/unconverged.json')).toContain('node.labels.none==1');
  const all = (await run('tar', ['-xzOf', archive])).stdout;
  const { JoinTokens } = JSON.parse((await host.http('GET', '/swarm')).body) as {
    JoinTokens: { Worker: string; Manager: string };
  };
  for (const hidden of [secret, JoinTokens.Worker, JoinTokens.Manager, 'PRIVATE KEY'])
    expect(all).not.toContain(hidden);
  await host.docker('service', 'rm', 'nowhere');
});

describe('a second scheduler', () => {
  let second: ChildProcess | undefined;

  afterAll(() => {
    second?.kill('SIGKILL');
  });

  test('joins, and takes over everything when the first one hangs', async () => {
    second = spawn(
      join(repository, 'shoal'),
      [
        ...['run', 'scheduler', '--instance=second', '--metrics-listen=127.0.0.1:0'],
        ...[`--data-dir=${host.dataDirectory}`, `--run-dir=${join(inject('scratch'), 'second')}`],
      ],
      { stdio: 'ignore' },
    );
    const admin = await eventually('the second one is ready', async () => {
      const file = join(inject('scratch'), 'second', 'scheduler.json');
      if (!existsSync(file)) return false;
      const { admin: address } = JSON.parse(readFileSync(file, 'utf8')) as { admin: string };
      const health = (await (await fetch(`http://${address}/readyz`)).json()) as { role: string };
      return health.role === 'active' && address;
    });
    for (const round of [1, 2, 3, 4]) {
      await host.docker(
        'service',
        'create',
        '-d',
        '--name',
        `two-${round}`,
        '--stop-grace-period=1s',
        'busybox',
        'sleep',
        '1d',
      );
    }
    for (const round of [1, 2, 3, 4]) await host.converged(`two-${round}`, '1/1');
    // What was told a moment ago is told again, and the engine may know nothing yet of what has just started.
    await eventually('what the tasks use is told', async () => {
      const used = await (await fetch(`http://${adminOf('agent')}/metrics`)).text();
      return ['cpu_seconds_total', 'memory_bytes'].every((what) =>
        used.includes(`\nshoal_task_${what}{service="two-4",stack="",task="two-4.1"} `),
      );
    });
    const first = await host.pidOf('scheduler');
    process.kill(first, 'SIGSTOP');
    try {
      for (const round of [1, 2, 3, 4])
        await host.docker('service', 'scale', '-d', `two-${round}=2`);
      for (const round of [1, 2, 3, 4]) await host.converged(`two-${round}`, '2/2', 20_000);
      expect(await (await fetch(`http://${admin}/metrics`)).text()).toMatch(
        /shoal_stage_transactions_total\{[^}]*outcome="committed"[^}]*\} [1-9]/,
      );
    } finally {
      process.kill(first, 'SIGCONT');
    }
    await host.docker('service', 'rm', 'two-1', 'two-2', 'two-3', 'two-4');
  });

  test('drains and ends with 0 on SIGTERM', async () => {
    const ended = new Promise((resolve) => second?.once('exit', resolve));
    second?.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});

describe('up in the foreground', () => {
  test('runs until SIGINT and leaves nothing behind, with a socket of the user’s choice', async () => {
    const other = await Host.create('foreground');
    const socket = join(inject('scratch'), 'my.sock');
    const child = spawn(
      join(repository, 'shoal'),
      other.upArguments(`--socket=${socket}`, '--foreground'),
      {
        stdio: 'ignore',
      },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await eventually('the socket answers', async () => {
      return (await run('docker', ['--host', `unix://${socket}`, 'version'])).code === 0;
    });
    const pids = await other.allPids();
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
  });
});

describe('what is in the way', () => {
  test('an address in use is named in one sentence', async () => {
    const other = await Host.create('taken');
    const args = other.upArguments(`--metrics-port-base=${adminOf('api').split(':')[1]}`);
    const result = await run(join(repository, 'shoal'), args);
    expect(result.code).not.toBe(0);
    expect(result.stderr + result.stdout).toMatch(/in use|taken/);
    await other.down().catch(() => '');
  });

  test('an unwritable data directory is named in one sentence', async () => {
    const file = join(inject('scratch'), 'a-file');
    writeFileSync(file, '');
    const other = await Host.create('unwritable', join(file, 'data'));
    const result = await run(join(repository, 'shoal'), other.upArguments());
    expect(result.code).not.toBe(0);
    expect(result.stderr + result.stdout).toContain(file);
  });
});
