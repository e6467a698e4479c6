import type { Revision } from '@shoal/state';
import { Branch, findInBranch } from './branch.ts';
import type { Acceptance, Buckets } from './buckets.ts';
import type { Candidate } from './candidate.ts';
import { explainCounts, filterNames, type Pipeline } from './filters/pipeline.ts';
import type { Ledger } from './ledger.ts';
import type { Scored } from './scored.ts';
import { nearestWords } from './wait-text.ts';

const unseen = 0;
const fit = 1;
const failed = 2;

/** The nearest node to being fit, and how near it is. */
interface Nearest {
  readonly candidate: Candidate;
  readonly distance: number;
}

/**
 * Everything one revision has to know about all nodes: which fit, in the order in which they should be
 * taken, and why the others do not. Made by looking at every node once; from then on only those that
 * changed are looked at again.
 */
export class Survey {
  readonly #ledger: Ledger;
  readonly #pipeline: Pipeline;
  readonly #serviceId: string;
  readonly #descriptors: readonly string[];
  readonly #root = new Branch();
  readonly #failedCounts: number[] = filterNames.map(() => 0);
  /** By number of the candidate: `unseen`, `fit`, or `failed` plus the filter's position. */
  #verdicts: Uint8Array;
  /** With preferences: where each node is in the tree, and with how many tasks it was counted. */
  readonly #counted = new Map<
    Candidate,
    { readonly path: readonly Branch[]; readonly tasks: number }
  >();
  #fitting = 0;
  #nearest: Nearest | undefined;
  #nearestKnown = false;
  /** Where to read on in the journal. */
  #position: number;

  constructor(ledger: Ledger, pipeline: Pipeline, revision: Revision) {
    this.#ledger = ledger;
    this.#pipeline = pipeline;
    this.#serviceId = revision.serviceId;
    this.#descriptors = descriptorsOf(revision);
    this.#verdicts = new Uint8Array(ledger.numbersEnd);
    this.#position = ledger.journal.position;
    for (const candidate of ledger.all()) this.look(candidate);
  }

  /** Bytes, about; what many of these cost. */
  get size(): number {
    return this.#verdicts.length + 64 * (this.#fitting + this.#counted.size);
  }

  /** Nodes that can take a task. */
  get fitting(): number {
    return this.#fitting;
  }

  /** Looks again at what changed; false when too much did, and a new survey is cheaper. */
  catchUp(): boolean {
    const { journal } = this.#ledger;
    const entries = journal.since(this.#position);
    if (entries === undefined || entries > this.#ledger.size + 1_000) return false;
    this.#position = journal.read(this.#position, (candidate) => this.look(candidate));
    return true;
  }

  /** Judges the node as it is now. */
  look(candidate: Candidate): void {
    const { number, gone } = candidate;
    if (number >= this.#verdicts.length) this.#grow();
    const before = this.#verdicts[number] ?? unseen;
    const position = gone ? undefined : this.#pipeline.judge(candidate);
    const now = gone ? unseen : position === undefined ? fit : failed + position;
    const leaf = this.#leafOf(candidate);
    if (now === fit) leaf.put(candidate, candidate.tasksOf(this.#serviceId), candidate.tasks);
    else if (before === fit) leaf.remove(candidate);
    this.#recount(before, -1);
    this.#recount(now, 1);
    this.#verdicts[number] = now;
    this.#lookForNearest(candidate, now >= failed);
  }

  /** The best node for the next task; `hash` chooses among equals. */
  best(hash: number, suspects: ReadonlyMap<string, number>): Candidate | undefined {
    if (this.#fitting === 0) return undefined;
    const trusted = { accepts: ({ id }: Candidate): boolean => !suspects.has(id) };
    return findInBranch(this.#root, hash, (leaf) => {
      if (suspects.size === 0) return leaf.find(hash, any);
      return leaf.find(hash, trusted) ?? this.#leastSuspect(leaf, suspects);
    });
  }

  /** The best node by the policy's score, within the emptiest branch that has one. */
  bestScored(hash: number, scored: Scored): Candidate | undefined {
    if (this.#fitting === 0) return undefined;
    return findInBranch(this.#root, hash, (leaf) => scored.best(leaf));
  }

  /** What nodes failed at, as Swarm says it. */
  get explanation(): string {
    return explainCounts(this.#failedCounts);
  }

  /** The nearest node and what it lacks: "node2 is closest, it lacks …"; empty without nodes. */
  get nearest(): string {
    if (!this.#nearestKnown) this.#findNearest();
    return this.#nearest === undefined ? '' : nearestWords(this.#nearest.candidate, this.#pipeline);
  }

  #recount(verdict: number, by: 1 | -1): void {
    if (verdict === fit) this.#fitting += by;
    if (verdict >= failed)
      this.#failedCounts[verdict - failed] = (this.#failedCounts[verdict - failed] ?? 0) + by;
  }

  /** The leaf that the candidate belongs to; brings the branches' counts up to date on the way. */
  #leafOf(candidate: Candidate): Buckets {
    if (this.#descriptors.length === 0) return this.#root.leaf;
    const before = this.#counted.get(candidate);
    const path = candidate.gone
      ? (before?.path ?? [this.#root])
      : this.#root.pathOf(candidate.node, this.#descriptors);
    const leafBranch = path[path.length - 1] ?? this.#root;
    const tasks = candidate.gone ? 0 : candidate.tasksOf(this.#serviceId);
    if (before !== undefined) {
      for (const branch of before.path) branch.tasks -= before.tasks;
      const leafBefore = before.path[before.path.length - 1];
      if (leafBefore !== leafBranch) leafBefore?.leaf.remove(candidate);
    }
    for (const branch of path) branch.tasks += tasks;
    if (candidate.gone) this.#counted.delete(candidate);
    else this.#counted.set(candidate, { path, tasks });
    return leafBranch.leaf;
  }

  #leastSuspect(leaf: Buckets, suspects: ReadonlyMap<string, number>): Candidate | undefined {
    let best: Candidate | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const [id, failures] of suspects) {
      const candidate = this.#ledger.candidate(id);
      if (candidate === undefined || !leaf.has(candidate) || failures >= fewest) continue;
      best = candidate;
      fewest = failures;
    }
    return best;
  }

  #lookForNearest(candidate: Candidate, isUnfit: boolean): void {
    if (!this.#nearestKnown) return;
    if (candidate === this.#nearest?.candidate) this.#nearestKnown = false;
    else if (isUnfit) this.#nearest = nearer(this.#nearest, this.#measure(candidate));
  }

  #findNearest(): void {
    this.#nearest = undefined;
    for (const candidate of this.#ledger.all())
      if ((this.#verdicts[candidate.number] ?? unseen) >= failed)
        this.#nearest = nearer(this.#nearest, this.#measure(candidate));
    this.#nearestKnown = true;
  }

  #measure(candidate: Candidate): Nearest {
    return { candidate, distance: this.#pipeline.lacks(candidate).distance };
  }

  #grow(): void {
    const verdicts = new Uint8Array(Math.ceil(this.#ledger.numbersEnd * 1.25) + 8);
    verdicts.set(this.#verdicts);
    this.#verdicts = verdicts;
  }
}

/** The nearer one; between equals the lower id, so that the order of comparing does not show. */
function nearer(a: Nearest | undefined, b: Nearest): Nearest {
  if (a === undefined || b.distance < a.distance) return b;
  return b.distance === a.distance && b.candidate.id < a.candidate.id ? b : a;
}

const noDescriptors: readonly string[] = [];

export function descriptorsOf({ spec }: Revision): readonly string[] {
  const preferences = spec.TaskTemplate.Placement?.Preferences;
  if (preferences === undefined || preferences.length === 0) return noDescriptors;
  return preferences.map(({ Spread }) => Spread.SpreadDescriptor);
}

const any: Acceptance = { accepts: () => true };
