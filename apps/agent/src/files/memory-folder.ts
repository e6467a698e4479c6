import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { errorMessage } from '@shoal/runtime';
import { isInMemory, ownFolder, sharedMemory } from '@shoal/runtime/in-memory';

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
    const parent = isInMemory(runDir) ? runDir : sharedMemory;
    if (!isInMemory(parent)) return none(`neither ${runDir} nor ${sharedMemory} is in memory`);
    const path = join(parent, parent === runDir ? 'task-files' : `shoal-task-files-${own}`);
    await ownFolder(path);
    return { kind: 'folder', path };
  } catch (error) {
    return none(errorMessage(error));
  }
}

function none(reason: string): MemoryFolder {
  return { kind: 'none', message: `secrets and configs cannot be kept in memory: ${reason}` };
}
