import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Disk } from '../disk/disk.ts';

const lockName = 'lock';
/** Times that the lock may change hands while one process tries to get it. */
const attemptsMax = 16;
/** Processes that may have died one after the other while they took over from the one before. */
const depthMax = 4;

/** Thrown when another live process has the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
}

/** Who is who among the processes; names are short and fit for a file's name. */
export interface Processes {
  readonly own: string;
  /** A name that is not alive never will be again. */
  isAlive(name: string): boolean;
}

/**
 * Makes sure that one process alone writes a directory; the lock of one that died is taken over.
 * Answers what gives the directory free. Processes in another PID namespace count as dead.
 * @throws DirectoryLockedError
 * @throws DiskError
 */
export async function lockDirectory(
  disk: Disk,
  directory: string,
  processes: Processes = linuxProcesses(),
): Promise<() => Promise<void>> {
  const path = join(directory, lockName);
  await take(disk, path, processes, 0);
  // What others left half-way: each looks again at the lock before it goes on, and then gives up.
  for (const name of await disk.list(directory))
    if (name.startsWith(`${lockName}.`)) await disk.remove(join(directory, name));
  return async () => {
    if ((await disk.readNote(path)) === processes.own) await disk.remove(path);
  };
}

/**
 * The lock is a note with its holder's name; the first to leave it has it. The place of a dead holder
 * goes to who gets a second lock first, named after the dead one. While one holds that, nobody else may
 * replace the dead one's note. Moved into its place, the second lock becomes the first in one step.
 */
async function take(disk: Disk, path: string, processes: Processes, depth: number): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (await disk.leaveNote(path, processes.own)) return;
    const holder = await disk.readNote(path);
    if (holder === undefined) continue;
    if (holder === processes.own) return;
    const name = nameIn(holder);
    if (processes.isAlive(name) || depth === depthMax) throw inUse(path, name);
    const second = `${path}.${name}`;
    await take(disk, second, processes, depth + 1);
    if ((await disk.readNote(path)) === holder) return disk.rename(second, path);
    await disk.remove(second);
  }
  throw inUse(path, 'another that just started');
}

/** Version 1 wrote a file, `<pid> <start time>` with spaces behind, or spaces alone once it was free. */
function nameIn(holder: string): string {
  return holder.trimEnd().replaceAll(/[^\w-]/g, '-') || 'nobody';
}

function inUse(path: string, name: string): DirectoryLockedError {
  const holder = name.split('-', 1)[0];
  return new DirectoryLockedError(
    `${dirname(path)} is in use by process ${holder}; stop it first or choose another data directory`,
  );
}

/** `<pid>-<start time in clock ticks since boot>-<boot>`: a number used again means another process. */
function linuxProcesses(): Processes {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  const own = `${process.pid}-${startOf(process.pid)}-${boot}`;
  return {
    own,
    isAlive(name) {
      const [pid, start, bootThen = boot] = name.split('-');
      return bootThen === boot && start !== undefined && startOf(Number(pid)) === start;
    },
  };
}

/** Field 22 of proc(5)'s stat; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(19);
  } catch {
    return undefined;
  }
}
