import type { Candidate } from './candidate.ts';

/** Which nodes are wanted. */
export interface Acceptance {
  accepts(candidate: Candidate): boolean;
}

/** Where a node stands: few tasks of the service first, then few tasks in all. */
interface Place {
  readonly candidate: Candidate;
  ofService: number;
  tasks: number;
  at: number;
}

class Row {
  /** By number of tasks; with holes. */
  readonly buckets: (Candidate[] | undefined)[] = [];
  size = 0;
  /** No bucket before this one has a node. */
  lowest = 0;
}

/**
 * Nodes in buckets, those that a task should go to first in front. Finding, moving, adding and removing
 * one costs the same however many there are.
 */
export class Buckets {
  readonly #rows: (Row | undefined)[] = [];
  /** By number of the candidate; with holes. */
  readonly #places: (Place | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  *nodes(): Iterable<Candidate> {
    for (const place of this.#places) if (place !== undefined) yield place.candidate;
  }

  has(candidate: Candidate): boolean {
    return this.#placeOf(candidate) !== undefined;
  }

  /** Adds the node, or moves it to where it now belongs. */
  put(candidate: Candidate, ofService: number, tasks: number): void {
    const place = this.#placeOf(candidate);
    if (place === undefined) {
      const at = this.#push(candidate, ofService, tasks);
      this.#places[candidate.number] = { candidate, ofService, tasks, at };
      this.#size += 1;
      return;
    }
    if (place.ofService === ofService && place.tasks === tasks) return;
    this.#take(candidate, place);
    place.at = this.#push(candidate, ofService, tasks);
    place.ofService = ofService;
    place.tasks = tasks;
  }

  remove(candidate: Candidate): void {
    const place = this.#placeOf(candidate);
    if (place === undefined) return;
    this.#take(candidate, place);
    this.#places[candidate.number] = undefined;
    this.#size -= 1;
  }

  /**
   * The first node that is `wanted`; `start` chooses among equals. Undefined when there is none
   * among the first `probesMax` looked at.
   */
  find(
    start: number,
    wanted: Acceptance,
    probesMax = Number.POSITIVE_INFINITY,
  ): Candidate | undefined {
    let probes = 0;
    for (const row of this.#rows) {
      if (row === undefined || row.size === 0) continue;
      for (let tasks = lowestOf(row); tasks < row.buckets.length; tasks += 1) {
        const bucket = row.buckets[tasks] ?? [];
        for (let step = 0; step < bucket.length; step += 1) {
          const candidate = bucket[(start + step) % bucket.length];
          if (candidate !== undefined && wanted.accepts(candidate)) return candidate;
          probes += 1;
          if (probes >= probesMax) return undefined;
        }
      }
    }
    return undefined;
  }

  #placeOf(candidate: Candidate): Place | undefined {
    const place = this.#places[candidate.number];
    return place?.candidate === candidate ? place : undefined;
  }

  #push(candidate: Candidate, ofService: number, tasks: number): number {
    let row = this.#rows[ofService];
    if (row === undefined) {
      row = new Row();
      while (this.#rows.length < ofService) this.#rows.push(undefined);
      this.#rows[ofService] = row;
    }
    let bucket = row.buckets[tasks];
    if (bucket === undefined) {
      bucket = [];
      while (row.buckets.length < tasks) row.buckets.push(undefined);
      row.buckets[tasks] = bucket;
    }
    row.size += 1;
    if (row.size === 1 || tasks < row.lowest) row.lowest = tasks;
    return bucket.push(candidate) - 1;
  }

  #take(candidate: Candidate, { ofService, tasks, at }: Place): void {
    const row = this.#rows[ofService];
    const bucket = row?.buckets[tasks];
    if (row === undefined || bucket === undefined) return;
    row.size -= 1;
    const last = bucket.pop();
    if (last === undefined || last === candidate) return;
    bucket[at] = last;
    const place = this.#placeOf(last);
    if (place !== undefined) place.at = at;
  }
}

/** Moves the mark past empty buckets. */
function lowestOf(row: Row): number {
  while (row.lowest < row.buckets.length && (row.buckets[row.lowest]?.length ?? 0) === 0)
    row.lowest += 1;
  return row.lowest;
}
