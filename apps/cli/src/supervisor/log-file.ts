import { copyFile, rename, stat, truncate } from 'node:fs/promises';

/** A log grows to this size before it is put aside. */
export const logBytesMax = 16 * 1024 * 1024;
/** Older files kept beside the current one: `name.log.1` is the youngest. */
export const logsKept = 3;

/**
 * Puts a log aside once it is large. The processes write to the file themselves, so that their logs do
 * not end with the supervisor; it is therefore copied and emptied, and lines written between the two
 * are lost.
 */
export async function rotate(path: string, bytesMax = logBytesMax): Promise<boolean> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size < bytesMax) return false;
  for (let at = logsKept - 1; at >= 1; at -= 1) {
    await rename(`${path}.${at}`, `${path}.${at + 1}`).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }
  await copyFile(path, `${path}.1`);
  await truncate(path);
  return true;
}
