import { statfsSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Kinds of file systems that are never on a disk, by their numbers in the kernel's `magic.h`: tmpfs and ramfs. */
const inMemory: readonly number[] = [0x01021994, 0x858458f6];

/** Every Linux host has this one in memory. */
export const sharedMemory = '/dev/shm';

/** Whether what is written under the path, which need not be there yet, never reaches a disk. */
export function isInMemory(path: string): boolean {
  try {
    return inMemory.includes(statfsSync(path).type);
  } catch {
    const parent = dirname(path);
    return parent !== path && isInMemory(parent);
  }
}

const ownerOnly = 0o700;

/**
 * Makes the folder, or takes the one that is there, for this user alone. What somebody else has put in its place
 * is moved aside: in shared memory anybody may.
 * @throws the file system's error, or when somebody else is faster again.
 */
export async function ownFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  for (const isLast of [false, true]) {
    try {
      return await mkdir(path, { mode: ownerOnly });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (await isOwnFolder(path)) return chmod(path, ownerOnly);
    if (isLast) break;
    // Never entered: its owner may turn what is in it into links while it is emptied.
    await rename(path, join(await mkdtemp(`${path}.foreign-`), 'found'));
  }
  throw new Error(`${path} belongs to somebody else`);
}

/** Removes the folder with all that is in it, if it is this user's; what is somebody else's stays as it is. */
export async function removeOwnFolder(path: string): Promise<void> {
  if (await isOwnFolder(path)) await rm(path, { recursive: true, force: true });
}

/** Whether it is a folder, no link to one, and this user's. */
export async function isOwnFolder(path: string): Promise<boolean> {
  try {
    const found = await lstat(path);
    return found.isDirectory() && found.uid === process.getuid?.();
  } catch {
    return false;
  }
}
