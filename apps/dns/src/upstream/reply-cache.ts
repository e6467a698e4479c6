import type { Monotonic } from '@shoal/runtime';
import type { UpstreamReply } from './upstream-reply.ts';

/** Answers at most, and their bytes. */
const cacheLimits = { entriesMax: 10_000, bytesMax: 16 * 1024 * 1024 } as const;

/** What an entry costs beside its message and its key, bytes, about. */
const overheadBytes = 256;
const msPerSecond = 1_000;

interface Entry {
  readonly reply: UpstreamReply;
  readonly since: Monotonic;
  readonly until: number;
  readonly bytes: number;
}

export interface Cached {
  readonly reply: UpstreamReply;
  readonly ageSeconds: number;
}

/** Answers of upstreams for as long as they said; the least recently used go first. */
export class ReplyCache {
  readonly #limits: { readonly entriesMax: number; readonly bytesMax: number };
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(limits: { readonly entriesMax: number; readonly bytesMax: number } = cacheLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string, now: Monotonic): Cached | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#delete(key, entry);
    if (now >= entry.until) return undefined;
    this.#add(key, entry);
    return { reply: entry.reply, ageSeconds: Math.floor((now - entry.since) / msPerSecond) };
  }

  put(key: string, reply: UpstreamReply, now: Monotonic): void {
    if (reply.keepSeconds <= 0) return;
    const bytes = reply.bytes.length + 2 * key.length + overheadBytes;
    if (bytes > this.#limits.bytesMax) return;
    const known = this.#entries.get(key);
    if (known !== undefined) this.#delete(key, known);
    const until = now + reply.keepSeconds * msPerSecond;
    this.#add(key, { reply, since: now, until, bytes });
    for (const [oldest, entry] of this.#entries) {
      if (this.size <= this.#limits.entriesMax && this.#bytes <= this.#limits.bytesMax) return;
      this.#delete(oldest, entry);
    }
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #delete(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
