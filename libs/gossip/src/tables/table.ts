import type { Monotonic } from '@shoal/runtime';
import { digestText } from '../digest.ts';
import { recordHash } from './record.ts';

/** A record as this host keeps it. */
export interface Entry {
  readonly time: number;
  /** Undefined: withdrawn, and kept for a while so that old news does not bring it back. */
  readonly value: Uint8Array | undefined;
  /** When the owner wrote it, on this host's clock. */
  readonly writtenAt: Monotonic;
}

interface Kept extends Entry {
  readonly hash: bigint;
}

interface Owned {
  readonly entries: Map<string, Kept>;
  /** Of those that are not withdrawn. */
  live: number;
  digest: bigint;
}

/** The records of one table by owner, with a digest over each owner's that is kept up with every change. */
export class Table {
  readonly #owners = new Map<string, Owned>();
  #size = 0;

  /** Entries, withdrawn ones included. */
  get size(): number {
    return this.#size;
  }

  get(owner: string, id: string): Entry | undefined {
    return this.#owners.get(owner)?.entries.get(id);
  }

  set(owner: string, id: string, entry: Entry): void {
    this.delete(owner, id);
    let owned = this.#owners.get(owner);
    if (owned === undefined) {
      owned = { entries: new Map(), live: 0, digest: 0n };
      this.#owners.set(owner, owned);
    }
    const hash = entry.value === undefined ? 0n : recordHash(owner, id, entry);
    owned.entries.set(id, { ...entry, hash });
    owned.digest ^= hash;
    if (entry.value !== undefined) owned.live += 1;
    this.#size += 1;
  }

  delete(owner: string, id: string): void {
    const owned = this.#owners.get(owner);
    const entry = owned?.entries.get(id);
    if (owned === undefined || entry === undefined) return;
    owned.entries.delete(id);
    owned.digest ^= entry.hash;
    if (entry.value !== undefined) owned.live -= 1;
    this.#size -= 1;
    if (owned.entries.size === 0) this.#owners.delete(owner);
  }

  owners(): IterableIterator<string> {
    return this.#owners.keys();
  }

  *of(owner: string): IterableIterator<readonly [string, Entry]> {
    yield* this.#owners.get(owner)?.entries ?? [];
  }

  /** How many of the owner's records are not withdrawn. */
  live(owner: string): number {
    return this.#owners.get(owner)?.live ?? 0;
  }

  /** Over all records of those of the owners. */
  digestOf(owners: ReadonlySet<string>): bigint {
    let digest = 0n;
    for (const [owner, owned] of this.#owners) if (owners.has(owner)) digest ^= owned.digest;
    return digest;
  }

  /** For each of those owners that has records, as text. */
  digestsOf(owners: ReadonlySet<string>): ReadonlyMap<string, string> {
    const digests = new Map<string, string>();
    for (const [owner, { live, digest }] of this.#owners)
      if (live > 0 && owners.has(owner)) digests.set(owner, digestText(digest));
    return digests;
  }
}
