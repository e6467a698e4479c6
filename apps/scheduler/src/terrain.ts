import { Branch } from './branch.ts';
import type { Acceptance } from './buckets.ts';
import type { Candidate } from './candidate.ts';
import type { Pipeline } from './filters/pipeline.ts';
import type { Ledger } from './ledger.ts';

/** Nodes that may turn out unfit in one search before it is given up. */
export const probesMax = 64;

/**
 * The nodes that suit what many revisions ask of the nodes themselves (constraints, platform, plugins,
 * being up), lightest first. It keeps a thousand services of one task from costing a thousand looks at
 * all nodes. What runs on a node is not judged here but when it is found.
 */
export class Terrain {
  readonly #ledger: Ledger;
  readonly #suits: Pipeline;
  readonly #descriptors: readonly string[];
  readonly #root = new Branch();
  readonly #members = new Map<
    Candidate,
    { readonly node: object; readonly path: readonly Branch[] }
  >();
  #position: number;

  constructor(ledger: Ledger, pipeline: Pipeline, descriptors: readonly string[]) {
    this.#ledger = ledger;
    this.#suits = pipeline;
    this.#descriptors = descriptors;
    this.#position = ledger.journal.position;
    for (const candidate of ledger.all()) this.look(candidate);
  }

  /** Looks again at what changed; false when too much did, and a new one is cheaper. */
  catchUp(): boolean {
    const { journal } = this.#ledger;
    const entries = journal.since(this.#position);
    if (entries === undefined) return false;
    this.#position = journal.read(this.#position, (candidate) => this.look(candidate));
    return true;
  }

  look(candidate: Candidate): void {
    const member = this.#members.get(candidate);
    const { node } = candidate;
    if (member !== undefined && !candidate.gone && member.node === node) {
      leafOf(member.path)?.put(candidate, 0, candidate.tasks);
      return;
    }
    if (member !== undefined) leafOf(member.path)?.remove(candidate);
    this.#members.delete(candidate);
    if (candidate.gone || !this.#suits.suits(candidate)) return;
    const path = this.#root.pathOf(node, this.#descriptors);
    this.#members.set(candidate, { node, path });
    leafOf(path)?.put(candidate, 0, candidate.tasks);
  }

  /**
   * The lightest node of the emptiest branch that is `wanted`; undefined when a short search finds
   * none, though there may be one. Branches count what {@link took} told them.
   */
  find(hash: number, wanted: Acceptance): Candidate | undefined {
    let branch = this.#root;
    for (let next = branch.emptiest(hash); next !== undefined; next = branch.emptiest(hash))
      branch = next;
    return branch.leaf.find(hash, wanted, probesMax);
  }

  /** A task of the service at hand went to the node. */
  took(candidate: Candidate): void {
    this.look(candidate);
    this.#count(candidate, 1);
  }

  /** Forgets the counts of {@link took}, for the next service. */
  forget(candidates: Iterable<Candidate>): void {
    for (const candidate of candidates) this.#count(candidate, -1);
  }

  #count(candidate: Candidate, by: 1 | -1): void {
    if (this.#descriptors.length === 0) return;
    for (const branch of this.#members.get(candidate)?.path ?? []) branch.tasks += by;
  }
}

function leafOf(path: readonly Branch[]) {
  return path[path.length - 1]?.leaf;
}
