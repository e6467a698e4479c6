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

/** Of an ASCII note; ext4 keeps so much in the name's own record. */
export const noteCharactersMax = 59;

/** What storage needs of a file system. Everything that fails throws {@link DiskError}. */
export interface Disk {
  /** With its parents; nothing happens if it exists. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory, sorted. */
  list(directory: string): Promise<readonly string[]>;
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  /** In one step, replacing what was there. */
  rename(from: string, to: string): Promise<void>;
  /** Nothing happens if it does not exist. */
  remove(path: string): Promise<void>;
  /**
   * Leaves a note: a name with a text of at most {@link noteCharactersMax}, there whole or not at all, and
   * without taking space on a full disk. False when the name is taken; of several at once, one gets it.
   */
  leaveNote(path: string, text: string): Promise<boolean>;
  /** The text of a note or of a file; undefined when there is none of the name. */
  readNote(path: string): Promise<string | undefined>;
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
