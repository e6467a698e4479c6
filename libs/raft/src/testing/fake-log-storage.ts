import { type Clock, invariant, type LogIndex } from '@shoal/runtime';
import type { LogStorage, Recovered, StoreResult, StoreWork } from '../storage.ts';
import type { Entry, HardState, SnapshotMeta } from '../types.ts';

/**
 * A disk in memory. What a write carries is on it only once the write is done: a crash in between
 * loses it whole. It can hold writes back, refuse them, and take its time on a clock.
 */
export class FakeDisk {
  hardState: HardState | undefined;
  snapshot: SnapshotMeta | undefined;
  snapshotChunks: readonly Uint8Array[] = [];
  entries: readonly Entry[] = [];
  /** Number of writes done, and probes made. */
  writes = 0;
  probes = 0;
  #storage: FakeLogStorage | undefined;
  #refusal: string | undefined;
  #held: (() => void)[] | undefined;
  readonly #clock: Clock | undefined;
  readonly #writeMs: number;

  /** Without a clock a write is done in the next turn of the microtask queue. */
  constructor(clock?: Clock, writeMs = 0) {
    this.#clock = clock;
    this.#writeMs = writeMs;
  }

  open(): FakeLogStorage {
    invariant(this.#storage === undefined, 'a disk has one writer');
    this.#storage = new FakeLogStorage(this);
    return this.#storage;
  }

  /** The process dies: nothing more of it reaches the disk, and nothing comes back to it. */
  crash(): void {
    this.#storage = undefined;
    this.#held = this.#held && [];
  }

  closed(storage: FakeLogStorage): void {
    if (this.#storage === storage) this.#storage = undefined;
  }

  refuseWrites(message: string): void {
    this.#refusal = message;
  }

  acceptWrites(): void {
    this.#refusal = undefined;
  }

  get refusal(): string | undefined {
    return this.#refusal;
  }

  holdWrites(): void {
    this.#held ??= [];
  }

  releaseWrites(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const write of held) write();
  }

  /** Does `write` when its time has come; never after a crash. */
  async later(storage: FakeLogStorage, write: () => void): Promise<StoreResult> {
    await this.#delay();
    if (this.#storage !== storage) await new Promise<never>(() => {});
    const message = this.#refusal;
    if (message !== undefined) return { kind: 'failed', error: { kind: 'refused', message } };
    write();
    this.writes += 1;
    return { kind: 'stored' };
  }

  #delay(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#held !== undefined) this.#held.push(resolve);
    else if (this.#clock !== undefined) this.#clock.after(this.#writeMs, resolve);
    else resolve();
    return promise;
  }
}

export class FakeLogStorage implements LogStorage {
  readonly recovered: Recovered;
  readonly #disk: FakeDisk;
  #storing = false;

  constructor(disk: FakeDisk) {
    this.#disk = disk;
    const { hardState, snapshot, entries } = disk;
    const base = snapshot?.index ?? 0;
    this.recovered = { hardState, snapshot, entries: entries.filter(({ index }) => index > base) };
  }

  async store(work: StoreWork): Promise<StoreResult> {
    invariant(!this.#storing, 'calls of store are made one at a time');
    this.#storing = true;
    const result = await this.#disk.later(this, () => this.#write(work));
    this.#storing = false;
    return result;
  }

  #write({ hardState, entries }: StoreWork): void {
    const disk = this.#disk;
    if (hardState !== undefined) disk.hardState = hardState;
    const [first] = entries;
    if (first === undefined) return;
    const last = disk.entries.at(-1)?.index ?? disk.snapshot?.index ?? 0;
    const after = Math.max(last, disk.snapshot?.index ?? 0);
    invariant(first.index <= after + 1, 'the log has no gaps', { first: first.index, after });
    disk.entries =
      first.index === last + 1
        ? disk.entries.concat(entries)
        : [...disk.entries.filter(({ index }) => index < first.index), ...entries];
  }

  async saveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<StoreResult> {
    const kept: Uint8Array[] = [];
    for await (const chunk of chunks) kept.push(chunk.slice());
    return this.#disk.later(this, () => {
      this.#disk.snapshot = meta;
      this.#disk.snapshotChunks = kept;
    });
  }

  async *readSnapshot(): AsyncIterable<Uint8Array> {
    yield* this.#disk.snapshotChunks;
  }

  async compact(upTo: LogIndex): Promise<StoreResult> {
    invariant(upTo <= (this.#disk.snapshot?.index ?? 0), 'a snapshot covers what goes', { upTo });
    return this.#disk.later(this, () => {
      this.#disk.entries = this.#disk.entries.filter(({ index }) => index > upTo);
    });
  }

  readonly outdated = undefined;

  keepSnapshots(): void {}

  rotate(): void {}

  async oldestKey(): Promise<number> {
    return 0;
  }

  async probe(): Promise<boolean> {
    this.#disk.probes += 1;
    return this.#disk.refusal === undefined;
  }

  async close(): Promise<void> {
    this.#disk.closed(this);
  }
}
