import { createHash } from 'node:crypto';
import { chmod, mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '@shoal/runtime';

/** Kinds of file systems that are never on a disk, by their numbers in the kernel's `magic.h`. */
const inMemory: readonly number[] = [0x01021994, 0x858458f6];
/** Every Linux host has this one, and an engine with mounts of its own sees it too. */
const sharedMemory = '/dev/shm';
const ownerOnly = 0o700;

export type MemoryFolder =
  | { readonly kind: 'folder'; readonly path: string }
  /** One sentence. */
  | { readonly kind: 'none'; readonly message: string };

/**
 * A folder of this agent's that is in memory, because secrets must not reach a disk: under `runDir` where
 * that is in memory, as on most hosts, else in the host's shared memory.
 */
export async function memoryFolder(runDir: string): Promise<MemoryFolder> {
  const own = createHash('sha256').update(runDir).digest('hex').slice(0, 12);
  try {
    const parent = (await isInMemory(runDir)) ? runDir : sharedMemory;
    if (!(await isInMemory(parent)))
      return none(`neither ${runDir} nor ${sharedMemory} is in memory`);
    const path = join(parent, parent === runDir ? 'task-files' : `shoal-task-files-${own}`);
    await mkdir(path, { recursive: true });
    await chmod(path, ownerOnly);
    return { kind: 'folder', path };
  } catch (error) {
    return none(errorMessage(error));
  }
}

function none(reason: string): MemoryFolder {
  return { kind: 'none', message: `secrets and configs cannot be kept in memory: ${reason}` };
}

async function isInMemory(path: string): Promise<boolean> {
  const { type } = await statfs(path);
  return inMemory.includes(type);
}
