import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const main = join(import.meta.dirname, 'testing/example.main.ts');
const waiting = { timeout: 20_000, interval: 20 };

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let runDir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'shoal-run-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(runDir, { recursive: true, force: true });
});

function start(...flags: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const conditions = ['--conditions=@shoal/source', main, `--run-dir=${runDir}`];
  const child = spawn(process.execPath, [...conditions, ...flags], { stdio: 'pipe' });
  children.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

async function adminOf(name = 'example'): Promise<{ pid: number; admin: string }> {
  const path = join(runDir, `${name}.json`);
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), waiting);
  return JSON.parse(readFileSync(path, 'utf8'));
}

test('a process serves health and metrics, and ends with 0 on SIGTERM', async () => {
  const { child, ended } = start('--metrics-listen=127.0.0.1:0');
  const { admin, pid } = await adminOf();
  expect(pid).toBe(child.pid);
  const health = await vi.waitFor(async () => {
    const response = await fetch(`http://${admin}/healthz`);
    const report = (await response.json()) as { role: string };
    expect(report.role).toBe('standby');
    return { status: response.status, report };
  }, waiting);
  expect(health).toEqual({
    status: 200,
    report: {
      process: 'example',
      version: '1.2.3',
      pid,
      ready: false,
      healthy: true,
      role: 'standby',
      logIndex: 7,
      detail: 'waits',
    },
  });
  expect((await fetch(`http://${admin}/readyz`)).status).toBe(503);
  const metrics = await (await fetch(`http://${admin}/metrics`)).text();
  expect(metrics).toContain('shoal_process_cpu_seconds_total');
  expect((await fetch(`http://${admin}/other`)).status).toBe(404);

  child.kill('SIGTERM');
  const { code, stderr } = await ended;
  expect(code).toBe(0);
  expect(existsSync(join(runDir, 'example.json'))).toBe(false);
  const events = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; process: string; level: string });
  expect(events.map(({ event }) => event)).toEqual([
    'starting',
    'started',
    'stopping',
    'drained',
    'stopped',
  ]);
  expect(events[0]).toMatchObject({ process: 'example', level: 'info', version: '1.2.3' });
});

test('a second replica on the host keeps the record of the first', async () => {
  start('--metrics-listen=127.0.0.1:0');
  const first = await adminOf();
  const { child } = start('--metrics-listen=127.0.0.1:0');
  const second = await adminOf(`example-${child.pid}`);
  expect(second.pid).toBe(child.pid);
  expect((await adminOf()).pid).toBe(first.pid);
});

test.each([
  [['--trouble=throw'], 70, 'nobody catches this'],
  [['--trouble=reject'], 70, 'background'],
  [['--trouble=start'], 1, 'cannot start'],
])('%j ends with %i and says why', async (flags, code, words) => {
  const { ended } = start('--metrics-listen=off', ...flags);
  const result = await ended;
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(words);
});

test('a process that could not start leaves no record', async () => {
  await start('--metrics-listen=127.0.0.1:0', '--trouble=start').ended;
  expect(existsSync(join(runDir, 'example.json'))).toBe(false);
});

test('bad flags end with 2 and one sentence; --help ends with 0', async () => {
  const bad = await start('--metrics-listen=nowhere').ended;
  expect(bad.code).toBe(2);
  expect(bad.stderr).toMatch(/^shoal example: --metrics-listen=nowhere .*\n$/);
  const help = await start('--help').ended;
  expect(help.code).toBe(0);
  expect(help.stdout).toContain('--trouble');
});

test('a taken admin port is named', async () => {
  start('--metrics-listen=127.0.0.1:0');
  const { admin } = await adminOf();
  const { code, stderr } = await start(`--metrics-listen=${admin}`).ended;
  expect(code).toBe(2);
  expect(stderr).toContain(`--metrics-listen=${admin} does not do: listen EADDRINUSE`);
});

test('a second signal ends a process whose stop hangs', async () => {
  const { child, ended } = start('--metrics-listen=127.0.0.1:0', '--trouble=hang');
  const { admin } = await adminOf();
  const role = async (): Promise<string> => {
    const response = await fetch(`http://${admin}/healthz`);
    return ((await response.json()) as { role: string }).role;
  };
  await vi.waitFor(async () => expect(await role()).toBe('standby'), waiting);
  child.kill('SIGTERM');
  await vi.waitFor(async () => expect(await role()).toBe('stopping'), waiting);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(1);
}, 20_000);
