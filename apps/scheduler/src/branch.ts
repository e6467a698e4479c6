import { type Node, spreadValue } from '@shoal/state';
import { Buckets } from './buckets.ts';
import type { Candidate } from './candidate.ts';

/**
 * The nodes as a tree with one level per spread preference; without preferences it is one leaf. Nodes
 * that lack a label are together under the empty value.
 */
export class Branch {
  /** Active tasks of the service on all nodes below, also on those that cannot take more, as in Swarm. */
  tasks = 0;
  readonly leaf = new Buckets();
  readonly #alone: readonly Branch[] = [this];
  readonly #branches = new Map<string, Branch>();

  /** The branches from here down to the node's leaf, this one first. */
  pathOf(node: Node, descriptors: readonly string[]): readonly Branch[] {
    if (descriptors.length === 0) return this.#alone;
    const path: Branch[] = [this];
    let at: Branch = this;
    for (const descriptor of descriptors) {
      at = at.#child(spreadValue(node, descriptor));
      path.push(at);
    }
    return path;
  }

  /** The branch below with the fewest tasks; `start` chooses among equals. Undefined in a leaf. */
  emptiest(start: number): Branch | undefined {
    const { size } = this.#branches;
    let best: Branch | undefined;
    let bestRank = 0;
    let at = 0;
    for (const branch of this.#branches.values()) {
      const rank = (at + start) % size;
      at += 1;
      const better = best === undefined || branch.tasks < best.tasks;
      if (!better && !(branch.tasks === best?.tasks && rank < bestRank)) continue;
      best = branch;
      bestRank = rank;
    }
    return best;
  }

  /** The branches below, those with the fewest tasks first. */
  emptiestFirst(): readonly Branch[] {
    return [...this.#branches.values()].sort((a, b) => a.tasks - b.tasks);
  }

  get isLeaf(): boolean {
    return this.#branches.size === 0;
  }

  #child(value: string): Branch {
    let child = this.#branches.get(value);
    if (child === undefined) {
      child = new Branch();
      this.#branches.set(value, child);
    }
    return child;
  }
}

/** The first candidate that `find` has in a leaf, the emptiest branches tried first. */
export function findInBranch(
  branch: Branch,
  start: number,
  find: (leaf: Buckets) => Candidate | undefined,
): Candidate | undefined {
  if (branch.isLeaf) return find(branch.leaf);
  const first = branch.emptiest(start);
  const quick = first && findInBranch(first, start, find);
  if (quick !== undefined) return quick;
  for (const next of branch.emptiestFirst()) {
    if (next === first) continue;
    const found = findInBranch(next, start, find);
    if (found !== undefined) return found;
  }
  return undefined;
}
