import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, type Terminal } from '../terminal.ts';

/** Most backups that are kept of one swarm. */
const keepMax = 10_000;

/** Backups of one swarm in one folder, each named after its time. */
export interface Series {
  readonly directory: string;
  /** How many are kept, the newest; undefined for all. */
  readonly keep: number | undefined;
}

/** Undefined for a file of its own. @throws CommandError where only a folder will do */
export async function seriesAt(
  path: string,
  keep: string | undefined,
): Promise<Series | undefined> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (keep === undefined) return isFolder ? { directory: path, keep } : undefined;
  const count = Number(keep);
  if (!/^[1-9]\d*$/.test(keep) || count > keepMax)
    throw new CommandError(`--keep is a whole number from 1 to ${keepMax}, not ${keep}`, 2);
  if (!isFolder)
    throw new CommandError(`--keep is for a folder of backups, and ${path} is none: make it first`);
  return { directory: path, keep: count };
}

/** `shoal-<swarm>-20261123T114012Z.tar.gz`: names sort by time. */
export function nameInSeries(clusterId: string, time: number): string {
  const stamp = new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');
  return `shoal-${clusterId}-${stamp}.tar.gz`;
}

/** Removes the swarm's oldest backups beyond those that are kept, and nothing else. */
export async function trimSeries(
  { directory, keep }: Series,
  clusterId: string,
  terminal: Terminal,
): Promise<void> {
  if (keep === undefined) return;
  const prefix = `shoal-${clusterId}-`;
  const own = (await readdir(directory)).filter(
    (name) => name.startsWith(prefix) && /^\d{8}T\d{6}Z\.tar\.gz$/.test(name.slice(prefix.length)),
  );
  for (const name of own.sort().slice(0, -keep)) {
    await rm(join(directory, name));
    terminal.say(`removed ${join(directory, name)}: the newest ${keep} are kept`);
  }
}
