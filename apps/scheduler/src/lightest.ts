import type { Candidate } from './candidate.ts';

/** Nodes that may turn out unfit in one search before it is given up. */
export const probesMax = 64;

interface Position {
  load: number;
  at: number;
}

/**
 * Nodes in buckets by the number of their tasks. Finds a fit node among the least loaded without looking
 * at all of them, which keeps a thousand services of one task from costing a thousand looks each.
 */
export class Lightest {
  readonly #buckets: Candidate[][] = [];
  readonly #positions = new Map<Candidate, Position>();

  constructor(candidates: Iterable<Candidate>) {
    for (const candidate of candidates) this.#put(candidate);
  }

  /**
   * A node that fits, of the lightest ones that do; `start` chooses among equals. Undefined when none
   * was found in a bounded search: there may still be one.
   */
  find(start: number, fits: (candidate: Candidate) => boolean): Candidate | undefined {
    let probes = 0;
    for (const bucket of this.#buckets) {
      for (let step = 0; step < bucket.length; step += 1) {
        const candidate = bucket[(start + step) % bucket.length];
        if (candidate !== undefined && fits(candidate)) return candidate;
        probes += 1;
        if (probes === probesMax) return undefined;
      }
    }
    return undefined;
  }

  /** The node got a task. */
  moved(candidate: Candidate): void {
    const position = this.#positions.get(candidate);
    if (position === undefined) return;
    const bucket = this.#buckets[position.load] ?? [];
    const last = bucket.pop();
    if (last !== undefined && last !== candidate) {
      bucket[position.at] = last;
      this.#positions.set(last, { ...position });
    }
    this.#put(candidate);
  }

  #put(candidate: Candidate): void {
    const load = candidate.tasks;
    while (this.#buckets.length <= load) this.#buckets.push([]);
    const bucket = this.#buckets[load] ?? [];
    this.#positions.set(candidate, { load, at: bucket.length });
    bucket.push(candidate);
  }
}
