import type { Candidate } from './candidate.ts';

/** Changes of nodes kept for those who were not looking, entries. */
const journalEntriesMax = 131_072;

/**
 * Which nodes changed, in order. Whoever keeps something about nodes remembers a position and reads on
 * from there when it is needed, so that a change costs nothing to those who do not ask.
 */
export class Journal {
  #entries: Candidate[] = [];
  /** Position of the first entry. */
  #start = 0;

  get position(): number {
    return this.#start + this.#entries.length;
  }

  note(candidate: Candidate): void {
    if (this.#entries.length >= journalEntriesMax) {
      const dropped = journalEntriesMax / 2;
      this.#entries = this.#entries.slice(dropped);
      this.#start += dropped;
    }
    this.#entries.push(candidate);
    candidate.notedAt = this.position;
  }

  /** Number of entries from `position` on; undefined when some of them were forgotten. */
  since(position: number): number | undefined {
    return position < this.#start ? undefined : this.position - position;
  }

  /**
   * Calls `visit` once for each node that changed from `position` on, which {@link since} knows;
   * returns the end.
   */
  read(position: number, visit: (candidate: Candidate) => void): number {
    const end = this.position;
    for (let at = position - this.#start; at < end - this.#start; at += 1) {
      const candidate = this.#entries[at];
      // One that changed again later is visited then.
      if (candidate?.notedAt === this.#start + at + 1) visit(candidate);
    }
    return end;
  }
}
