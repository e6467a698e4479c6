import { type Node, spreadValue } from '@shoal/state';
import { BestFirst, type Ranked } from './ranking.ts';

/**
 * The nodes as a tree with one level per spread preference. A branch counts the active tasks of the
 * service on all its nodes, also on those that cannot take more, as in Swarm.
 */
export interface Branch {
  tasks: number;
  /** By the label's value; empty in a leaf. */
  readonly branches: ReadonlyMap<string, Branch>;
  readonly leaf: BestFirst;
}

interface Counted {
  readonly node: Node;
  readonly tasks: number;
}

/**
 * `counted` are all nodes with the active tasks of the service, `ranked` those that may take a task.
 * Branches without a node that may are left out: nothing can be placed there.
 */
export function spreadTree(
  descriptors: readonly string[],
  ranked: readonly Ranked[],
  counted: readonly Counted[],
): Branch {
  const tasks = counted.reduce((sum, { tasks }) => sum + tasks, 0);
  const [descriptor, ...deeper] = descriptors;
  if (descriptor === undefined) return { tasks, branches: new Map(), leaf: new BestFirst(ranked) };
  const byValue = Map.groupBy(ranked, ({ candidate }) => spreadValue(candidate.node, descriptor));
  const countedByValue = Map.groupBy(counted, ({ node }) => spreadValue(node, descriptor));
  const branches = new Map<string, Branch>();
  for (const [value, members] of [...byValue].sort(([a], [b]) => (a < b ? -1 : 1)))
    branches.set(value, spreadTree(deeper, members, countedByValue.get(value) ?? []));
  return { tasks, branches, leaf: new BestFirst([]) };
}

/**
 * Places one task in the emptiest branch that still can take one. `fits` says whether a node still
 * does; one that does not is dropped for good, since a step only ever adds to a node.
 */
export function placeInTree(branch: Branch, fits: (node: Ranked) => boolean): Ranked | undefined {
  const placed =
    branch.branches.size === 0 ? placeInLeaf(branch.leaf, fits) : descend(branch, fits);
  if (placed !== undefined) branch.tasks += 1;
  return placed;
}

function descend(branch: Branch, fits: (node: Ranked) => boolean): Ranked | undefined {
  const emptiestFirst = [...branch.branches.values()].sort((a, b) => a.tasks - b.tasks);
  for (const next of emptiestFirst) {
    const placed = placeInTree(next, fits);
    if (placed !== undefined) return placed;
  }
  return undefined;
}

function placeInLeaf(leaf: BestFirst, fits: (node: Ranked) => boolean): Ranked | undefined {
  for (let best = leaf.best; best !== undefined; best = leaf.best) {
    if (fits(best)) {
      best.ofService += 1;
      best.total += 1;
      leaf.settle();
      return best;
    }
    leaf.dropBest();
  }
  return undefined;
}
