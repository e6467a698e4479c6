import type { Buckets } from './buckets.ts';
import type { Candidate } from './candidate.ts';
import { BestFirst, type Ranked, tieOf } from './ranking.ts';

export type Score = (candidate: Candidate) => number;

/** What ranking the nodes for one run of tasks of a revision depends on. */
export interface ScoredOptions {
  readonly score: Score;
  readonly serviceId: string;
  readonly suspects: ReadonlyMap<string, number>;
  readonly hash: number;
}

/** The fit nodes of each leaf, best score first, for one run of placements of one revision. */
export class Scored {
  readonly #options: ScoredOptions;
  readonly #heaps = new Map<Buckets, BestFirst>();

  constructor(options: ScoredOptions) {
    this.#options = options;
  }

  best(leaf: Buckets): Candidate | undefined {
    let heap = this.#heaps.get(leaf);
    if (heap === undefined) {
      heap = new BestFirst(Array.from(leaf.nodes(), (candidate) => this.#rank(candidate)));
      this.#heaps.set(leaf, heap);
    }
    for (let top = heap.best; top !== undefined; top = heap.best) {
      const { candidate } = top;
      if (!leaf.has(candidate)) heap.dropBest();
      else if (top.total === candidate.tasks) return candidate;
      else this.#settle(heap, top);
    }
    return undefined;
  }

  /** The node on top got a task since it was ranked: its place is found anew. */
  #settle(heap: BestFirst, top: Ranked): void {
    const { candidate } = top;
    top.score = this.#options.score(candidate);
    top.ofService = candidate.tasksOf(this.#options.serviceId);
    top.total = candidate.tasks;
    heap.settle();
  }

  #rank(candidate: Candidate): Ranked {
    const { score, serviceId, suspects, hash } = this.#options;
    return {
      candidate,
      failures: suspects.get(candidate.id) ?? 0,
      score: score(candidate),
      ofService: candidate.tasksOf(serviceId),
      total: candidate.tasks,
      tie: tieOf(candidate.hash, hash),
    };
  }
}
