import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { replaceFile } from '@shoal/runtime/durable-file';
import {
  isInMemory,
  isOwnFolder,
  ownFolder,
  removeOwnFolder,
  sharedMemory,
} from '@shoal/runtime/in-memory';
import { z } from 'zod';

const nameDigits = 16;
const defaultParent = '/run/shoal';
const unlockFileName = 'unlocked';
/** The present unlock key and, while it is being replaced, the one before. */
const unlockKeysMax = 2;

const unlockFile = z.array(z.string()).max(unlockKeysMax);

/**
 * Where a host may keep what must not outlive its power, the place it is kept in first: under `SHOAL_RUN_DIR`,
 * else `/run/shoal`, where that is in memory; else in shared memory. A folder of its own for each data directory.
 */
function runtimeDirectories(dataDir: string): readonly string[] {
  const parent = process.env['SHOAL_RUN_DIR'] ?? defaultParent;
  const name = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, nameDigits);
  const own = join(parent, `keys-${name}`);
  const shared = join(sharedMemory, `shoal-keys-${name}`);
  return isInMemory(parent) ? [own, shared] : [shared, own];
}

/** The file that holds the unlock keys of a host that was unlocked. */
export function unlockFilePath(dataDir: string): string {
  return join(runtimeDirectories(dataDir)[0] ?? '', unlockFileName);
}

/** What the host was unlocked with since its start; nothing when it was not. */
export async function readUnlockKeys(dataDir: string): Promise<readonly string[]> {
  const path = unlockFilePath(dataDir);
  if (!(await isOwnFolder(dirname(path)))) return [];
  try {
    return unlockFile.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return [];
  }
}

/** @throws when no place is in memory: a key on a disk would open what it locks. */
export async function writeUnlockKeys(dataDir: string, keys: readonly string[]): Promise<void> {
  const [directory = '', ...others] = runtimeDirectories(dataDir);
  if (!isInMemory(directory))
    throw new Error(
      `the unlock key cannot be kept: neither ${others.map(dirname).join()} nor ${sharedMemory} is in memory`,
    );
  await ownFolder(directory);
  const text = JSON.stringify(keys.slice(0, unlockKeysMax));
  await replaceFile(unlockFilePath(dataDir), text, 0o600);
  for (const other of others) await removeOwnFolder(other);
}

/** Locks the host again, if its keys are wrapped. For its stop. */
export async function forgetUnlockKeys(dataDir: string): Promise<void> {
  for (const directory of runtimeDirectories(dataDir)) await removeOwnFolder(directory);
}
