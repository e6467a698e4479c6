import { join } from 'node:path';
import { type Disk, DiskError } from '../disk/disk.ts';
import { snapshotNames } from '../snapshot/snapshot-file.ts';
import { sequenceOf } from '../wal/segment-file.ts';

const pieceBytes = 1024 * 1024;

/**
 * Copies a log that a voter goes on writing. `changed`: files went away meanwhile, as old ones do when the log is
 * compacted; the copy is worth nothing then. It is also to be read once ({@link readLog}) before it counts: what was
 * compacted between two names of one listing shows only there.
 *
 * Everything is read backwards, the newest segment first and each from its end: a frame is begun only when the one
 * before it is durable, so that before each frame that is found, all are found that came before it. What was only
 * begun at the end is a torn write, as after a power cut.
 * @throws DiskError
 */
export async function copyLog(disk: Disk, from: string, to: string): Promise<'copied' | 'changed'> {
  await disk.makeDirectory(to);
  const names = await disk.list(from);
  const segments = names.filter((name) => sequenceOf(name) !== undefined).reverse();
  try {
    for (const name of [...segments, ...snapshotNames(names)])
      await copyBackwards(disk, join(from, name), join(to, name));
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return 'changed';
    throw error;
  }
  await disk.syncDirectory(to);
  return 'copied';
}

async function copyBackwards(disk: Disk, from: string, to: string): Promise<void> {
  const source = await disk.open(from, 'read');
  try {
    const target = await disk.open(to, 'create');
    try {
      for (let end = await source.size(); end > 0; ) {
        const begin = Math.max(0, end - pieceBytes);
        await target.write(await source.read(begin, end - begin), begin);
        end = begin;
      }
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
