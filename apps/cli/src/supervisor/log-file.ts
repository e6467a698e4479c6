import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises';

/** A log grows to this size before it is put aside. */
const logBytesMax = 16 * 1024 * 1024;
/** Older files kept beside the current one: `name.log.1` is the youngest. */
const logsKept = 3;

/**
 * Puts a log aside once it is large. The processes write to the file themselves, so that their logs do
 * not end with the supervisor; it is therefore copied and emptied, and lines written between the two
 * are lost. What cannot be copied stays, and so do the older ones, but for the oldest, which goes first: it
 * may be all the room that there is.
 * @throws the file system's error, for example that the disk is full.
 */
export async function rotate(path: string, bytesMax = logBytesMax): Promise<boolean> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size < bytesMax) return false;
  const copy = `${path}.new`;
  await rm(`${path}.${logsKept}`, { force: true });
  try {
    await copyFile(path, copy);
  } catch (error) {
    await rm(copy, { force: true });
    throw error;
  }
  for (let at = logsKept - 1; at >= 1; at -= 1) {
    await rename(`${path}.${at}`, `${path}.${at + 1}`).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }
  await rename(copy, `${path}.1`);
  await truncate(path);
  return true;
}
