import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { down } from '../command/down.ts';
import { status } from '../command/status.ts';
import { up } from '../command/up.ts';
import { readHostConfig } from '../host/config.ts';
import { controlSocket, supervisorPidFile } from '../host/layout.ts';
import { FakeBoot } from '../testing/fake-boot.ts';
import { askSupervisor, type SupervisorStatus } from './control.ts';
import { endProcesses, findSupervised, isAlive } from './orphans.ts';
import { livingSupervisor } from './pid-file.ts';

const main = join(import.meta.dirname, 'testing/tiny-host.main.ts');
const waiting = { timeout: 20_000, interval: 20 };

let directory: string;
let runDir: string;
const supervisors: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-host-'));
  runDir = join(directory, 'run');
  mkdirSync(join(directory, 'apps/tiny/dist'), { recursive: true });
  copyFileSync(
    join(import.meta.dirname, 'testing/tiny.mjs'),
    join(directory, 'apps/tiny/dist/main.mjs'),
  );
});
afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) supervisor.kill('SIGKILL');
  await endProcesses(
    findSupervised(runDir).map(({ pid }) => pid),
    systemClock,
    2_000,
  );
  rmSync(directory, { recursive: true });
});

function supervise(): { child: ChildProcess; code: Promise<number | null> } {
  const program = join(directory, 'apps/tiny/dist/main.mjs');
  const args = ['--conditions=@shoal/source', main, 'supervise', directory, program];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  supervisors.push(child);
  return { child, code: new Promise((resolve) => child.on('exit', resolve)) };
}

/** What the supervisor says once both of its processes run. */
async function running(pid: number | undefined): Promise<SupervisorStatus> {
  return vi.waitFor(async () => {
    const answer = await askSupervisor(controlSocket(runDir), { command: 'status' });
    if (answer?.kind !== 'status') throw new Error('no answer');
    expect(answer.pid).toBe(pid);
    expect(answer.processes.map(({ state }) => state)).toEqual(['running', 'running']);
    return answer;
  }, waiting);
}

const pids = (status: SupervisorStatus): readonly number[] =>
  status.processes.map(({ pid }) => pid ?? 0).sort();
const found = (): readonly number[] =>
  findSupervised(runDir)
    .map(({ pid }) => pid)
    .sort();

test('it stops when asked, with all it started, and leaves the run directory clean', async () => {
  const { child, code } = supervise();
  const status = await running(child.pid);
  expect(found()).toEqual(pids(status));
  await askSupervisor(controlSocket(runDir), { command: 'stop' });
  expect(await code).toBe(0);
  expect(pids(status).filter((pid) => isAlive(pid))).toEqual([]);
  expect(readdirSync(runDir)).toEqual([]);
});

test('it stops on SIGTERM', async () => {
  const { child, code } = supervise();
  await running(child.pid);
  child.kill('SIGTERM');
  expect(await code).toBe(0);
  expect(found()).toEqual([]);
});

test('a second one gives way', async () => {
  const first = supervise();
  const status = await running(first.child.pid);
  expect(await supervise().code).toBe(9);
  expect(pids(await running(first.child.pid))).toEqual(pids(status));
});

test('when it is killed its processes go on, and the next one replaces each exactly once', async () => {
  const first = supervise();
  const before = pids(await running(first.child.pid));
  first.child.kill('SIGKILL');
  await first.code;
  expect(found()).toEqual(before);
  expect(livingSupervisor(supervisorPidFile(runDir))).toBeUndefined();
  expect(existsSync(supervisorPidFile(runDir))).toBe(true);

  const second = supervise();
  const after = pids(await running(second.child.pid));
  expect(before.filter((pid) => isAlive(pid))).toEqual([]);
  expect(found()).toEqual(after);
});

describe('one that is stopped and does not answer', () => {
  const said: string[] = [];
  const fakeTerminal = {
    say: (line: string) => void said.push(line),
    print: (text: string) => void said.push(text),
  };
  let child: ChildProcess;
  beforeEach(async () => {
    said.length = 0;
    ({ child } = supervise());
    const [first] = pids(await running(child.pid));
    const record = { process: 'api', pid: first, admin: null };
    writeFileSync(join(runDir, 'api.json'), JSON.stringify(record));
    child.kill('SIGSTOP');
  });

  test('is told of by status, with the processes that live', async () => {
    expect(await status(runDir, false, fakeTerminal)).toBe(1);
    expect(said.join('')).toContain(`the supervisor (pid ${child.pid}) does not answer`);
    expect(said.join('')).toMatch(/^api /m);
    expect(said.join('')).not.toContain('No supervisor runs');
  });

  test('is not replaced by up', async () => {
    const read = readHostConfig({ runDir, dataDir: join(directory, 'data') });
    if (read.kind !== 'config') throw new Error(read.message);
    const request = { config: read.config, given: new Set<never>(), foreground: false };
    const asked = up(request, new FakeBoot(), fakeTerminal);
    await expect(asked).rejects.toThrow(`the supervisor (pid ${child.pid}) does not answer`);
  });

  test('is ended by down, with all it started', async () => {
    await down(runDir, fakeTerminal);
    expect(said.join('\n')).toContain('does not answer');
    expect(found()).toEqual([]);
    expect(isAlive(child.pid ?? 0)).toBe(false);
    expect(readdirSync(runDir)).toEqual(['api.json']);
  });
});
