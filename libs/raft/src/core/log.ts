import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import type { Entry } from '../types.ts';
import type { LogPosition } from './messages.ts';

/** What an entry costs besides its data when sizes are bounded: index, term, kind, framing. */
const entryOverheadBytes = 32;

/**
 * The log since the last compaction, in memory.
 *
 * ```
 *  base | first ............ stable | ....... storing | ........ last
 *       |  on disk                  |  being written   |  not yet handed out
 * ```
 * Invariant: base.index <= stable <= last, and stable <= storing <= last while a write is under way.
 */
export class Log {
  #base: LogPosition;
  #entries: Entry[];
  #bytes = 0;
  #stable: LogIndex;
  #storing: LogIndex | undefined;

  /** `base` is the entry before the first of `entries`, which are all durable. */
  constructor(base: LogPosition, entries: readonly Entry[]) {
    this.#base = base;
    this.#entries = [...entries];
    for (const [at, entry] of entries.entries()) {
      invariant(entry.index === base.index + at + 1, 'entries without gaps', {
        base: base.index,
        at,
        index: entry.index,
      });
    }
    this.#bytes = bytesOf(this.#entries);
    this.#stable = this.last;
  }

  get base(): LogPosition {
    return this.#base;
  }

  /** Index of the oldest entry in memory; `last + 1` when there is none. */
  get first(): LogIndex {
    return (this.#base.index + 1) as LogIndex;
  }

  get last(): LogIndex {
    return (this.#base.index + this.#entries.length) as LogIndex;
  }

  /** What the entries in memory cost. */
  get bytes(): number {
    return this.#bytes;
  }

  get lastPosition(): LogPosition {
    return this.#entries.at(-1) ?? this.#base;
  }

  /** Everything up to here is on this voter's disk. */
  get stable(): LogIndex {
    return this.#stable;
  }

  /** Entries that no write covers yet. */
  get hasUnstored(): boolean {
    return this.last > (this.#storing ?? this.#stable);
  }

  /** `undefined` before `base` and after `last`. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.first]?.term;
  }

  /** Entries after `after` up to `upTo`; stops before `bytesMax` is passed, but holds at least one. */
  slice(after: LogIndex, upTo: LogIndex, bytesMax: number): readonly Entry[] {
    invariant(after >= this.#base.index, 'entries are in memory', { after, base: this.#base });
    invariant(upTo <= this.last, 'entries exist', { upTo, last: this.last });
    let bytes = 0;
    let end = after - this.#base.index;
    const endMax = upTo - this.#base.index;
    const start = end;
    for (; end < endMax; end += 1) {
      bytes += (this.#entries[end]?.data.length ?? 0) + entryOverheadBytes;
      if (bytes > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, Math.max(start, end));
  }

  /** The index after which at most so many entries of so many bytes lead up to `upTo`. */
  floorOf(upTo: LogIndex, entriesMax: number, bytesMax: number): LogIndex {
    let bytes = 0;
    let at = upTo - this.#base.index;
    const end = Math.max(0, at - entriesMax);
    for (; at > end; at -= 1) {
      bytes += (this.#entries[at - 1]?.data.length ?? 0) + entryOverheadBytes;
      if (bytes > bytesMax) break;
    }
    return (this.#base.index + at) as LogIndex;
  }

  append(entries: readonly Entry[]): void {
    let { index, term } = this.lastPosition;
    for (const entry of entries) {
      invariant(entry.index === index + 1, 'an entry follows the last', { last: index, entry });
      invariant(entry.term >= term, 'terms never fall along the log', { term, entry });
      ({ index, term } = entry);
      this.#entries.push(entry);
    }
    this.#bytes += bytesOf(entries);
  }

  /**
   * Takes a leader's entries: keeps what is equal, replaces from the first that differs. An entry
   * at or before `commit` must be equal: committed entries never change. Answers the new ones.
   */
  merge(entries: readonly Entry[], commit: LogIndex): readonly Entry[] {
    const at = entries.findIndex((entry) => this.termAt(entry.index) !== entry.term);
    const different = entries[at];
    if (different === undefined) return [];
    invariant(different.index > commit, 'a committed entry was to be replaced', {
      index: different.index,
      commit,
    });
    this.#truncateAfter((different.index - 1) as LogIndex);
    const fresh = entries.slice(at);
    this.append(fresh);
    return fresh;
  }

  #truncateAfter(index: LogIndex): void {
    invariant(index >= this.#base.index, 'a compacted entry cannot go', { index });
    invariant(index <= this.last, 'only entries that exist can go', { index, last: this.last });
    this.#bytes -= bytesOf(this.#entries.splice(index - this.#base.index));
    if (this.#stable > index) this.#stable = index;
    // What is under way was written for nothing; the next write replaces it from `index` on.
    if (this.#storing !== undefined && this.#storing > index) this.#storing = index;
  }

  /** The entries of the next write. One at a time: ended by {@link stored} or {@link refused}. */
  startStoring(): readonly Entry[] {
    invariant(this.#storing === undefined, 'one write at a time', { storing: this.#storing });
    this.#storing = this.last;
    return this.#entries.slice(this.#stable - this.#base.index);
  }

  stored(): void {
    invariant(this.#storing !== undefined, 'a write was under way');
    invariant(this.#storing >= this.#stable && this.#storing <= this.last, 'a write in range', {
      storing: this.#storing,
      stable: this.#stable,
    });
    this.#stable = this.#storing;
    this.#storing = undefined;
  }

  /** Forgets everything that is not durable; the first index that went, if one did. */
  refused(): LogIndex | undefined {
    invariant(this.#storing !== undefined, 'a write was under way');
    this.#storing = undefined;
    if (this.last === this.#stable) return undefined;
    const droppedFrom = (this.#stable + 1) as LogIndex;
    this.#truncateAfter(this.#stable);
    return droppedFrom;
  }

  /** Lets go of the entries up to `index`. Earlier calls may have gone further. */
  compact(index: LogIndex): void {
    if (index <= this.#base.index) return;
    invariant(index <= this.#stable, 'only durable entries are compacted', { index });
    const term = this.termAt(index);
    invariant(term !== undefined, 'the new base is in the log', { index });
    this.#bytes -= bytesOf(this.#entries.splice(0, index - this.#base.index));
    this.#base = { index, term };
  }

  /** A snapshot replaces the whole log. */
  reset(base: LogPosition): void {
    invariant(base.index >= this.#base.index, 'a snapshot never leads back', { base });
    this.#base = base;
    this.#entries = [];
    this.#bytes = 0;
    this.#stable = base.index;
    if (this.#storing !== undefined) this.#storing = base.index;
  }

  /** Whether a log ending at `position` holds everything this one may have committed (Raft paper, 5.4.1). */
  isCoveredBy(position: LogPosition): boolean {
    const { index, term } = this.lastPosition;
    return position.term > term || (position.term === term && position.index >= index);
  }

  /**
   * The last entry at or before `at.index` whose term is not above `at.term`: everything between
   * cannot be in a log that has `at`, so a whole term is skipped for each rejected append.
   */
  lastNotAbove(at: LogPosition): LogPosition {
    let index = Math.min(at.index, this.last) as LogIndex;
    while (index > this.#base.index) {
      const term = this.termAt(index);
      if (term !== undefined && term <= at.term) return { index, term };
      index = (index - 1) as LogIndex;
    }
    return { index, term: this.termAt(index) ?? (0 as Term) };
  }
}

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { data } of entries) bytes += data.length + entryOverheadBytes;
  return bytes;
}
