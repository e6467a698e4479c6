import { dirname } from 'node:path';
import type { Random } from '@shoal/runtime';
import { type Disk, DiskError, type DiskFile, type OpenMode } from '../disk/disk.ts';

const sectorBytes = 512;

interface Content {
  /** What the process sees. */
  bytes: Buffer;
  /** What a crash leaves. */
  durable: Buffer;
}

/**
 * A file system in memory with the faults of a real one: a crash loses what was not flushed, leaves any
 * subset of the sectors of the write that was under way, and forgets names whose directory was not synced.
 */
export class FaultyDisk implements Disk {
  readonly #random: Random;
  #names = new Map<string, Content>();
  #durableNames = new Map<string, Content>();
  #life = 0;
  #refusal: string | undefined;
  readonly #unreadable = new Map<string, string>();
  /** Crash in the middle of the write after this many more; undefined = never. */
  #writesToCrash: number | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Writes fail with this code of the operating system until {@link acceptWrites}. */
  refuseWrites(code: string): void {
    this.#refusal = code;
  }

  acceptWrites(): void {
    this.#refusal = undefined;
  }

  /** Reads of this file fail with this code of the operating system. */
  refuseReads(path: string, code: string): void {
    this.#unreadable.set(path, code);
  }

  /** The `count`-th write from now never ends: see {@link crash}. */
  crashInWrite(count: number): void {
    this.#writesToCrash = count;
  }

  get crashed(): boolean {
    return this.#writesToCrash === -1;
  }

  /** The machine loses power; files opened before are dead. */
  crash(): void {
    this.#life += 1;
    this.#writesToCrash = undefined;
    this.#refusal = undefined;
    this.#names = new Map(this.#durableNames);
    for (const content of this.#names.values()) content.bytes = Buffer.from(content.durable);
  }

  /** Flips one bit of a file, durably. */
  flip(path: string, bit: number): void {
    const content = this.#content(path);
    for (const bytes of new Set([content.bytes, content.durable]))
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  }

  bytes(path: string): Buffer {
    return this.#content(path).bytes;
  }

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<readonly string[]> {
    const names = [...this.#names.keys()].filter((path) => dirname(path) === directory);
    return names.map((path) => path.slice(directory.length + 1)).sort();
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    if (mode === 'create') {
      this.#mayWrite();
      this.#names.set(path, { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) });
    }
    const code = mode === 'read' ? this.#unreadable.get(path) : undefined;
    if (code !== undefined) throw new DiskError(code, `${code}: ${path}`);
    return new OpenFaultyFile(this, this.#content(path), mode === 'write-durably', this.#life);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#mayWrite();
    const content = this.#content(from);
    this.#names.delete(from);
    this.#names.set(to, content);
  }

  async remove(path: string): Promise<void> {
    this.#names.delete(path);
  }

  async leaveNote(path: string, text: string): Promise<boolean> {
    this.#mayWrite();
    if (this.#names.has(path)) return false;
    this.#names.set(path, { bytes: Buffer.from(text), durable: Buffer.from(text) });
    return true;
  }

  async readNote(path: string): Promise<string | undefined> {
    return this.#names.get(path)?.bytes.toString();
  }

  async syncDirectory(directory: string): Promise<void> {
    for (const path of this.#durableNames.keys())
      if (dirname(path) === directory) this.#durableNames.delete(path);
    for (const [path, content] of this.#names)
      if (dirname(path) === directory) this.#durableNames.set(path, content);
  }

  async write(
    content: Content,
    data: Uint8Array,
    at: number,
    durably: boolean,
    life: number,
  ): Promise<void> {
    if (life !== this.#life || this.crashed) return new Promise(() => {});
    this.#mayWrite();
    const before = content.bytes;
    const bytes = Buffer.alloc(Math.max(before.length, at + data.length));
    before.copy(bytes);
    bytes.set(data, at);
    content.bytes = bytes;
    if (!durably) return;
    if (this.#writesToCrash !== undefined && --this.#writesToCrash < 0) {
      this.#writesToCrash = -1;
      content.durable = this.#torn(content.durable, bytes, at, data.length);
      return new Promise(() => {});
    }
    content.durable = bytes;
  }

  /** The old content with some of the new sectors. */
  #torn(before: Buffer, after: Buffer, at: number, length: number): Buffer {
    const torn = Buffer.alloc(after.length);
    before.copy(torn);
    const first = at - (at % sectorBytes);
    for (let sector = first; sector < at + length; sector += sectorBytes)
      if (this.#random.next() < 0.5) after.copy(torn, sector, sector, sector + sectorBytes);
    return torn;
  }

  #mayWrite(): void {
    if (this.#refusal !== undefined)
      throw new DiskError(this.#refusal, `${this.#refusal}: says the fake disk`);
  }

  #content(path: string): Content {
    const content = this.#names.get(path);
    if (content === undefined) throw new DiskError('ENOENT', `ENOENT: ${path}`);
    return content;
  }
}

class OpenFaultyFile implements DiskFile {
  readonly #disk: FaultyDisk;
  readonly #content: Content;
  readonly #durably: boolean;
  readonly #life: number;

  constructor(disk: FaultyDisk, content: Content, durably: boolean, life: number) {
    this.#disk = disk;
    this.#content = content;
    this.#durably = durably;
    this.#life = life;
  }

  async read(position: number, length: number): Promise<Buffer> {
    return Buffer.from(this.#content.bytes.subarray(position, position + length));
  }

  write(data: Uint8Array, position: number): Promise<void> {
    return this.#disk.write(this.#content, data, position, this.#durably, this.#life);
  }

  async sync(): Promise<void> {
    this.#content.durable = Buffer.from(this.#content.bytes);
  }

  async truncate(length: number): Promise<void> {
    const bytes = Buffer.alloc(length);
    this.#content.bytes.copy(bytes);
    this.#content.bytes = bytes;
  }

  async size(): Promise<number> {
    return this.#content.bytes.length;
  }

  async close(): Promise<void> {}
}
