import { createHash } from 'node:crypto';
import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile, syncDirectory } from '@shoal/runtime/durable-file';
import { z } from 'zod';
import { keysFileName, writeKeys } from './keys-file.ts';
import { sealKeyBytes } from './seal.ts';

/** Where keys lay before they moved into one file. */
export const oldKeyFiles = { key: 'node.key', seal: 'seal.key' } as const;

const voterIdBytes = 6;
const oldNode = z.looseObject({
  nodeId: z.string().min(1),
  role: z.enum(['manager', 'worker']),
  voterId: z.number().optional(),
});

/** Whether the folder still has keys in the old form. */
export async function hasOldKeys(directory: string): Promise<boolean> {
  try {
    await access(join(directory, oldKeyFiles.key));
    return true;
  } catch {
    return false;
  }
}

/**
 * Moves the keys into one file, and notes the number that a manager's voter had then: without it the log on
 * the disk would be taken for that of nobody. Goes on where a crash ended it.
 * @throws when the old files are damaged, or the file system's error.
 */
export async function moveOldKeys(directory: string, nodeFile: string): Promise<void> {
  if (!(await hasOldKeys(directory))) return;
  const node = oldNode.parse(JSON.parse(await readFile(nodeFile, 'utf8')));
  const isManager = node.role === 'manager';
  if (!(await exists(join(directory, keysFileName)))) {
    const key = await readFile(join(directory, oldKeyFiles.key), 'utf8');
    if (key === '') throw new Error(`${join(directory, oldKeyFiles.key)} is empty`);
    const sealKey = isManager ? await readSealKey(directory) : undefined;
    await writeKeys(directory, { key, sealKey, logKeys: [] }, null);
  }
  if (isManager && node.voterId === undefined) {
    const content = JSON.stringify({ ...node, voterId: oldVoterId(node.nodeId) }, undefined, 2);
    await replaceFile(nodeFile, `${content}\n`);
  }
  for (const name of [oldKeyFiles.seal, oldKeyFiles.key])
    await rm(join(directory, name), { force: true });
  await syncDirectory(directory);
}

async function readSealKey(directory: string): Promise<Buffer> {
  const path = join(directory, oldKeyFiles.seal);
  const sealKey = Buffer.from(await readFile(path, 'utf8'), 'base64');
  if (sealKey.length !== sealKeyBytes) throw new Error(`${path} is damaged`);
  return sealKey;
}

/** Voters were numbered by their node's id then. */
function oldVoterId(nodeId: string): number {
  const number = createHash('sha256').update(nodeId).digest().readUIntBE(0, voterIdBytes);
  return number === 0 ? 1 : number;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
