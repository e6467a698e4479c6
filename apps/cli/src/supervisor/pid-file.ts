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
    const pid = Number(readFileSync(path, 'utf8'));
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || !isAlive(pid))
      return undefined;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('supervise') || words.includes('up') ? pid : undefined;
  } catch {
    return undefined;
  }
}
