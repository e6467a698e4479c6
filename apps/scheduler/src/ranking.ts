import type { Candidate } from './candidate.ts';

/** A node that can take the next task, and how good a choice it is. */
export interface Ranked {
  readonly candidate: Candidate;
  /** Recent failures of this revision, 0 unless the node is suspect. */
  readonly failures: number;
  /** What a policy makes of the node, higher is better; 0 without one. */
  score: number;
  /** Active tasks of the service on the node. */
  ofService: number;
  /** Active tasks on the node. */
  total: number;
  /** Breaks ties, so that equal nodes are not always taken in the same order. */
  readonly tie: number;
}

/**
 * Fewest failures, then the best score, then fewest tasks of the service, then fewest tasks: negative
 * when `a` is better.
 */
function compareRanked(a: Ranked, b: Ranked): number {
  return (
    a.failures - b.failures ||
    b.score - a.score ||
    a.ofService - b.ofService ||
    a.total - b.total ||
    a.tie - b.tie ||
    (a.candidate.id < b.candidate.id ? -1 : 1)
  );
}

/** A number that looks like chance and follows from the two hashes (the finaliser of MurmurHash3). */
export function tieOf(nodeHash: number, taskHash: number): number {
  let mixed = nodeHash ^ taskHash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** FNV-1a of 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1)
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** A binary heap of nodes, the best on top. */
export class BestFirst {
  readonly #heap: Ranked[];

  constructor(items: readonly Ranked[]) {
    this.#heap = [...items];
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at -= 1) this.#sink(at);
  }

  get best(): Ranked | undefined {
    return this.#heap[0];
  }

  /** Puts the top in order again after it got worse. */
  settle(): void {
    this.#sink(0);
  }

  dropBest(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const item = heap[from];
    if (item === undefined) return;
    let at = from;
    for (;;) {
      const childAt = this.#betterChild(at);
      const child = heap[childAt];
      if (child === undefined || compareRanked(child, item) >= 0) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = item;
  }

  #betterChild(at: number): number {
    const left = this.#heap[2 * at + 1];
    const right = this.#heap[2 * at + 2];
    const rightIsBetter =
      left !== undefined && right !== undefined && compareRanked(right, left) < 0;
    return rightIsBetter ? 2 * at + 2 : 2 * at + 1;
  }
}
