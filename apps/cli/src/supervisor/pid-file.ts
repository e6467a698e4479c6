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
      writeFileSync(path, `${process.pid} ${startOf(process.pid)}\n`, { flag: 'wx' });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (livingSupervisor(path) !== undefined) return false;
      rmSync(path, { force: true });
    }
  }
  return false;
}

/** Pid of the living supervisor that holds the file; a pid that now is something else does not count. */
export function livingSupervisor(path: string): number | undefined {
  try {
    const [pid = 0, started] = readFileSync(path, 'utf8').trim().split(' ').map(Number);
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || !isAlive(pid))
      return undefined;
    return started === startOf(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** When a process started, clock ticks since boot: with its pid it is one of a kind (proc_pid_stat(5), field 22). */
function startOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name before may hold anything; behind its bracket come the fields from the third on.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]);
}
