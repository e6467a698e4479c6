import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { supervisedMark } from '../host/plan.ts';
import { endProcesses, findSupervised, isAlive } from './orphans.ts';
import { livingSupervisor, takePidFile } from './pid-file.ts';

let directory: string;
let program: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shoal-orphans-'));
  mkdirSync(join(directory, 'apps/tiny/dist'), { recursive: true });
  program = join(directory, 'apps/tiny/dist/main.mjs');
  copyFileSync(join(import.meta.dirname, 'testing/tiny.mjs'), program);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

async function start(how: string, mark: string | undefined): Promise<number> {
  const env = { ...process.env, ...(mark === undefined ? {} : { [supervisedMark]: mark }) };
  const child = spawn(process.execPath, [program, how], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  await new Promise((resolve) => child.stderr?.once('data', resolve));
  return child.pid ?? 0;
}

test('only processes with the mark of this run directory are found', async () => {
  const ours = await start('lives', directory);
  await start('lives', join(directory, 'elsewhere'));
  await start('lives', undefined);
  expect(findSupervised(directory).map(({ pid }) => pid)).toEqual([ours]);
});

test('they are asked to end, and killed when they do not', async () => {
  const good = await start('lives', directory);
  const deaf = await start('deaf', directory);
  await endProcesses([good, deaf], systemClock, 300);
  await vi.waitFor(() => expect([good, deaf].filter((pid) => isAlive(pid))).toEqual([]), 5_000);
  expect(findSupervised(directory)).toEqual([]);
});

test('the pid file is taken once, and again when its owner is dead or something else', async () => {
  const path = join(directory, 'supervisor.pid');
  expect(takePidFile(path)).toBe(true);
  const own = readFileSync(`${path}.start`, 'utf8').trim().split(' ')[1];
  // A living process that is no supervisor, whatever its own arguments: its pid was reused.
  const stranger = await start('up', undefined);
  writeFileSync(path, `${stranger}\n`);
  writeFileSync(`${path}.start`, `${stranger} ${own}\n`);
  expect(livingSupervisor(path)).toBeUndefined();
  expect(takePidFile(path)).toBe(true);
  const other = await start('supervise', undefined);
  const started = readFileSync(`/proc/${other}/stat`, 'utf8').split(' ')[21];
  writeFileSync(path, `${other}\n`);
  // One of an earlier version has noted no start.
  expect(livingSupervisor(path)).toBe(other);
  writeFileSync(`${path}.start`, `${other} ${started}\n`);
  expect(livingSupervisor(path)).toBe(other);
  expect(takePidFile(path)).toBe(false);
});
