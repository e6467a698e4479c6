import type { Disk, DiskFile } from '@shoal/raft';
import type { Clock } from '@shoal/runtime';

/** A disk whose writes take time on a process's clock: with the process they end halfway. */
export function slowDisk(disk: Disk, clock: Clock, writeMs: () => number): Disk {
  const wait = (): Promise<void> => new Promise((resolve) => clock.after(writeMs(), resolve));
  const slow = (file: DiskFile): DiskFile => ({
    read: (position, length) => file.read(position, length),
    write: async (data, position) => {
      await wait();
      await file.write(data, position);
    },
    sync: async () => {
      await wait();
      await file.sync();
    },
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
  });
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (directory) => disk.list(directory),
    open: async (path, mode) => slow(await disk.open(path, mode)),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    leaveNote: (path, text) => disk.leaveNote(path, text),
    readNote: (path) => disk.readNote(path),
    syncDirectory: (directory) => disk.syncDirectory(directory),
  };
}
