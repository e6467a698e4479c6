import { constants, write, writeSync } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { setImmediate } from 'node:timers';
import { errorMessage, invariant, systemClock } from '@shoal/runtime';
import { type Disk, DiskError, type DiskFile, noteCharactersMax, type OpenMode } from './disk.ts';
import { QuickWrites } from './quick-writes.ts';

const fileMode = 0o600;
const directoryMode = 0o700;

const flags: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  // One system call writes and flushes: a third faster than two for small groups.
  'write-durably': constants.O_RDWR | constants.O_DSYNC,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
};

/** The operating system's file system. */
export const fileSystem: Disk = {
  makeDirectory: (path) =>
    explained(mkdir(path, { recursive: true, mode: directoryMode })).then(() => undefined),
  list: async (directory) => (await explained(readdir(directory))).sort(),
  async open(path, mode) {
    const handle = await explained(open(path, flags[mode], fileMode));
    return mode === 'write-durably' ? new DurableFile(handle) : new OpenFile(handle);
  },
  rename: (from, to) => explained(rename(from, to)),
  remove: (path) => explained(rm(path, { force: true })),
  // A note is a symbolic link to its text: made in one step, and never followed.
  async leaveNote(path, text) {
    invariant(text.length <= noteCharactersMax, 'a note is short', { path, text });
    try {
      await explained(symlink(text, path));
      return true;
    } catch (error) {
      if (error instanceof DiskError && error.code === 'EEXIST') return false;
      throw error;
    }
  },
  async readNote(path) {
    try {
      return await explained(readlink(path));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code === 'ENOENT') return undefined;
      if (error.code !== 'EINVAL') throw error;
    }
    return await fileText(path);
  },
  async syncDirectory(path) {
    const handle = await explained(open(path, constants.O_RDONLY));
    try {
      await explained(handle.sync());
    } finally {
      await handle.close();
    }
  },
};

async function fileText(path: string): Promise<string | undefined> {
  try {
    return await explained(readFile(path, 'utf8'));
  } catch (error) {
    // Replaced or removed since it was found to be no note.
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

class OpenFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  get descriptor(): number {
    return this.#handle.fd;
  }

  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await explained(
        this.#handle.read(buffer, filled, length - filled, position + filled),
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < data.length) {
      const { bytesWritten } = await explained(
        this.#handle.write(data, written, data.length - written, position + written),
      );
      written += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return explained(this.#handle.datasync());
  }

  truncate(length: number): Promise<void> {
    return explained(this.#handle.truncate(length));
  }

  async size(): Promise<number> {
    return (await explained(this.#handle.stat())).size;
  }

  close(): Promise<void> {
    return explained(this.#handle.close());
  }
}

/** A file whose small writes are made on this thread while the disk is quick. */
class DurableFile extends OpenFile {
  readonly #quick = new QuickWrites(systemClock);

  override write(data: Uint8Array, position: number): Promise<void> {
    if (!this.#quick.allows(data.length)) return this.#writeElsewhere(data, position);
    return new Promise((resolve, reject) => {
      // After all that has arrived in this turn of the loop: it shares the next write.
      setImmediate(() => {
        try {
          const begun = this.#quick.begin();
          writeAll(this.descriptor, data, position);
          this.#quick.ended(data.length, begun);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  async #writeElsewhere(data: Uint8Array, position: number): Promise<void> {
    const begun = this.#quick.begin();
    await writeElsewhere(this.descriptor, data, position);
    this.#quick.ended(data.length, begun);
  }
}

/** @throws DiskError */
function writeAll(descriptor: number, data: Uint8Array, position: number): void {
  try {
    for (let written = 0; written < data.length; )
      written += writeSync(descriptor, data, written, data.length - written, position + written);
  } catch (error) {
    throw diskError(error);
  }
}

/**
 * On another thread; a handle's own write goes through several promises more.
 * @throws DiskError
 */
function writeElsewhere(descriptor: number, data: Uint8Array, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const from = (written: number): void =>
      write(
        descriptor,
        data,
        written,
        data.length - written,
        position + written,
        (error, count) => {
          if (error !== null) reject(diskError(error));
          else if (written + count < data.length) from(written + count);
          else resolve();
        },
      );
    from(0);
  });
}

async function explained<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw diskError(error);
  }
}

function diskError(error: unknown): DiskError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
  return new DiskError(code, errorMessage(error), error);
}
