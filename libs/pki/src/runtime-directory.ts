import { createHash } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';

const nameDigits = 16;
const defaultParent = '/run/shoal';
const unlockFileName = 'unlocked';
/** The present unlock key and, while it is being replaced, the one before. */
const unlockKeysMax = 2;

const unlockFile = z.array(z.string()).max(unlockKeysMax);

/**
 * Where a host keeps what must not outlive its power: under `SHOAL_RUN_DIR`, else `/run/shoal`, in a folder
 * of its own for each data directory. Readable by root only.
 */
export function runtimeDirectory(dataDir: string): string {
  const parent = process.env['SHOAL_RUN_DIR'] ?? defaultParent;
  const name = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, nameDigits);
  return join(parent, `keys-${name}`);
}

/** The file that holds the unlock keys of a host that was unlocked. */
export function unlockFilePath(dataDir: string): string {
  return join(runtimeDirectory(dataDir), unlockFileName);
}

/** What the host was unlocked with since its start; nothing when it was not. */
export async function readUnlockKeys(dataDir: string): Promise<readonly string[]> {
  try {
    return unlockFile.parse(JSON.parse(await readFile(unlockFilePath(dataDir), 'utf8')));
  } catch {
    return [];
  }
}

export async function writeUnlockKeys(dataDir: string, keys: readonly string[]): Promise<void> {
  await mkdir(runtimeDirectory(dataDir), { recursive: true, mode: 0o700 });
  const text = JSON.stringify(keys.slice(0, unlockKeysMax));
  await replaceFile(unlockFilePath(dataDir), text, 0o600);
}

/** Locks the host again, if its keys are wrapped. For its stop and its start. */
export async function forgetUnlockKeys(dataDir: string): Promise<void> {
  await rm(runtimeDirectory(dataDir), { recursive: true, force: true });
}
