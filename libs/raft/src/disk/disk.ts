/** An open file. Positions and lengths are bytes. */
export interface DiskFile {
  read(position: number, length: number): Promise<Buffer>;
  /** Writes all of `data`, or throws. Durable when it resolves if the file was opened so. */
  write(data: Uint8Array, position: number): Promise<void>;
  /** Makes what was written durable. */
  sync(): Promise<void>;
  /** Cuts or extends (with zeros) the file. */
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export type OpenMode =
  | 'read'
  /** For reading and writing; must exist. Every write is durable when it resolves. */
  | 'write-durably'
  /** New and empty, replacing what was there. Writes are durable after `sync`. */
  | 'create';

/** What storage needs of a file system. Everything that fails throws {@link DiskError}. */
export interface Disk {
  /** With its parents; nothing happens if it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, sorted. */
  list(directory: string): Promise<readonly string[]>;
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

/** The file system said no: no space, no permission, an I/O error. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  /** Of the operating system, for example `ENOSPC`. */
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
