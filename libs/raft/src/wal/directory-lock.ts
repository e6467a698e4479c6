import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk, OpenMode } from '../disk/disk.ts';

const lockName = 'lock';
/** Room for two numbers of 20 digits. */
const lockBytes = 64;

/** Thrown when another live process has the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
}

/**
 * Makes sure that one process alone writes a directory. The lock of a process that died is taken over:
 * it names its process by number and start time, so a number used again means nothing.
 * @throws DirectoryLockedError
 * @throws DiskError
 */
export async function lockDirectory(disk: Disk, directory: string): Promise<() => Promise<void>> {
  const path = join(directory, lockName);
  const holder = await readLock(disk, directory, path);
  const own = identify(process.pid);
  if (holder !== undefined && holder !== own && holder === identify(Number.parseInt(holder, 10)))
    throw new DirectoryLockedError(
      `${directory} is in use by process ${Number.parseInt(holder, 10)}; stop it first or choose another data directory`,
    );
  await writeLock(disk, path, holder === undefined ? 'create' : 'write-durably', own);
  return () => writeLock(disk, path, 'write-durably', '');
}

/** Always as long, and written over once it exists: a full disk must not keep a voter from starting. */
async function writeLock(disk: Disk, path: string, mode: OpenMode, text: string): Promise<void> {
  const file = await disk.open(path, mode);
  try {
    await file.write(Buffer.from(text.padEnd(lockBytes)), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function readLock(disk: Disk, directory: string, path: string): Promise<string | undefined> {
  if (!(await disk.list(directory)).includes(lockName)) return undefined;
  const file = await disk.open(path, 'read');
  const text = (await file.read(0, await file.size())).toString();
  await file.close();
  return text.trimEnd();
}

/** `<pid> <start time in clock ticks since boot>`; see proc(5), field 22 of stat. */
function identify(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${pid} ${fields[19] ?? ''}`;
  } catch {
    return `${pid} gone`;
  }
}
