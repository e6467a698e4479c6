import type { Instant } from '@shoal/runtime';
import type { Revision, StateView } from '@shoal/state';
import { Candidate } from './candidate.ts';
import { isReady } from './filters/ready.ts';
import type { Ledger } from './ledger.ts';
import { Lightest } from './lightest.ts';
import { type Ranked, tieOf } from './ranking.ts';

/** All nodes as one step sees them; each is looked up when first asked for. */
export class Board {
  readonly now: Instant;
  readonly #view: StateView;
  readonly #ledger: Ledger;
  readonly #candidates = new Map<string, Candidate>();
  #lightest: Lightest | undefined;

  constructor(view: StateView, ledger: Ledger, now: Instant) {
    this.#view = view;
    this.#ledger = ledger;
    this.now = now;
  }

  candidate(nodeId: string): Candidate | undefined {
    const known = this.#candidates.get(nodeId);
    if (known !== undefined) return known;
    const node = this.#view.nodes.get(nodeId);
    if (node === undefined) return undefined;
    const candidate = new Candidate(node, this.#view.usage(nodeId), this.#ledger);
    this.#candidates.set(nodeId, candidate);
    return candidate;
  }

  *all(): IterableIterator<Candidate> {
    for (const { id } of this.#view.nodes.values()) {
      const candidate = this.candidate(id);
      if (candidate !== undefined) yield candidate;
    }
  }

  /** Nodes on which this step has placed something. */
  *taken(): IterableIterator<string> {
    for (const [id, { isTaken }] of this.#candidates) if (isTaken) yield id;
  }

  /** Counts a task of the revision in on the node. */
  place(candidate: Candidate, revision: Revision): void {
    candidate.place(revision);
    this.#lightest?.moved(candidate);
  }

  /**
   * One of the least loaded ready nodes that has no task of the service yet and fits: the same choice
   * that ranking all nodes would come to. Undefined when a short search finds none.
   */
  findLightest(
    revision: Revision,
    taskHash: number,
    fits: (candidate: Candidate) => boolean,
  ): Candidate | undefined {
    this.#lightest ??= new Lightest([...this.all()].filter(({ node }) => isReady(node)));
    return this.#lightest.find(
      taskHash,
      (candidate) =>
        candidate.tasksOf(revision.serviceId) === 0 &&
        this.#ledger.failures(candidate.node.id, revision.id, this.now) === 0 &&
        fits(candidate),
    );
  }

  rank(candidate: Candidate, revision: Revision, taskHash: number): Ranked {
    const { id } = candidate.node;
    return {
      candidate,
      failures: this.#ledger.failures(id, revision.id, this.now),
      ofService: candidate.tasksOf(revision.serviceId),
      total: candidate.tasks,
      tie: tieOf(candidate.hash, taskHash),
    };
  }
}
