import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isAlive } from './orphans.ts';

/**
 * Takes the place of the one supervisor of a run directory. False when another living one has it.
 * @throws the file system's error.
 */
export function takePidFile(path: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  // Twice: a pid file left by a dead one is removed, and somebody else may be faster then.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
      writeFileSync(startFile(path), `${process.pid} ${startOf(process.pid)}\n`);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (livingSupervisor(path) !== undefined) return false;
      rmSync(path, { force: true });
    }
  }
  return false;
}

/** Gives the place back. */
export function leavePidFile(path: string): void {
  rmSync(startFile(path), { force: true });
  rmSync(path, { force: true });
}

/** Pid of the living supervisor that holds the file; a pid that now is something else does not count. */
export function livingSupervisor(path: string): number | undefined {
  const pid = Number(textOf(path));
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || !isAlive(pid)) return undefined;
  const [of, started] = textOf(startFile(path)).split(' ').map(Number);
  // One that has just begun, or of a version that notes no start, is known by what it was told.
  const isIt = of === pid ? startOf(pid) === started : isToldTo(pid, 'supervise', 'up');
  return isIt ? pid : undefined;
}

/** When the process started is beside its pid, so that the file itself stays what scripts can read. */
function startFile(path: string): string {
  return `${path}.start`;
}

function isToldTo(pid: number, ...words: readonly string[]): boolean {
  return textOf(`/proc/${pid}/cmdline`)
    .split('\0')
    .some((word) => words.includes(word));
}

/** Clock ticks since boot: with its pid it is one of a kind (proc_pid_stat(5), field 22). */
function startOf(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  // The name before may hold anything; behind its bracket come the fields from the third on.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]);
}

/** Empty when there is no such file, or none any more. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
