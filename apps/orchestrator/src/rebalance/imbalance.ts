/** A node as one service sees it. */
export interface Spot {
  readonly nodeId: string;
  /** Tasks of the service on the node. */
  readonly ofService: number;
  /** Tasks of all services on the node. */
  readonly total: number;
  /** Whether the node could take one more task of the service. */
  readonly fits: boolean;
  /** What the node says under each spread preference of the service, in their order. */
  readonly branches: readonly string[];
}

/** A task of the service is to leave one node for another. */
export interface Shift {
  readonly from: string;
  readonly to: string;
}

/**
 * The move that brings the service nearest to even: first between the branches of its spread
 * preferences, then between the nodes of a branch, then, where that changes nothing for the service,
 * between nodes that have many tasks in all and few. Undefined when it is even: the difference is at
 * most one everywhere. Each move makes a sum of squares smaller and none of those before it larger, so
 * that moves come to an end.
 */
export function shiftOf(spots: readonly Spot[], depth = 0): Shift | undefined {
  if (spots.length === 0) return undefined;
  const branches = [...Map.groupBy(spots, ({ branches }) => branches[depth])]
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
    .map(([, members]) => members);
  const isLeaf = branches.length === 1 && branches[0]?.[0]?.branches[depth] === undefined;
  if (isLeaf) return betweenNodes(spots);
  const across = betweenBranches(branches);
  if (across !== undefined) return across;
  for (const branch of branches) {
    const within = shiftOf(branch, depth + 1);
    if (within !== undefined) return within;
  }
  return undefined;
}

function betweenBranches(branches: readonly (readonly Spot[])[]): Shift | undefined {
  const counted = branches.map((spots) => ({
    spots,
    tasks: spots.reduce((sum, { ofService }) => sum + ofService, 0),
  }));
  const fullest = counted.reduce((a, b) => (b.tasks > a.tasks ? b : a));
  const open = counted.filter(({ spots }) => spots.some(({ fits }) => fits));
  if (open.length === 0) return undefined;
  const emptiest = open.reduce((a, b) => (b.tasks < a.tasks ? b : a));
  if (fullest.tasks - emptiest.tasks < 2) return undefined;
  const from = fullestOf(fullest.spots);
  const to = emptiestOf(emptiest.spots);
  return from && to && { from: from.nodeId, to: to.nodeId };
}

function betweenNodes(spots: readonly Spot[]): Shift | undefined {
  const from = fullestOf(spots);
  const to = emptiestOf(spots);
  if (from === undefined || to === undefined) return undefined;
  if (from.ofService - to.ofService >= 2) return { from: from.nodeId, to: to.nodeId };
  return betweenLoads(spots);
}

/** Between nodes of which one has just one task of the service more, so that they change places. */
function betweenLoads(spots: readonly Spot[]): Shift | undefined {
  let best: { readonly shift: Shift; readonly gap: number } | undefined;
  const groups = Map.groupBy(spots, ({ ofService }) => ofService);
  for (const [count, members] of groups) {
    const from = members.reduce((a, b) => (compareLoad(b, a) > 0 ? b : a));
    const to = emptiestOf(groups.get(count - 1) ?? []);
    if (to === undefined) continue;
    const gap = from.total - to.total;
    if (gap >= 2 && (best === undefined || gap > best.gap))
      best = { shift: { from: from.nodeId, to: to.nodeId }, gap };
  }
  return best?.shift;
}

function fullestOf(spots: readonly Spot[]): Spot | undefined {
  const occupied = spots.filter(({ ofService }) => ofService > 0);
  if (occupied.length === 0) return undefined;
  return occupied.reduce((a, b) => (compareLoad(b, a) > 0 ? b : a));
}

function emptiestOf(spots: readonly Spot[]): Spot | undefined {
  const open = spots.filter(({ fits }) => fits);
  if (open.length === 0) return undefined;
  return open.reduce((a, b) => (compareLoad(b, a) < 0 ? b : a));
}

function compareLoad(a: Spot, b: Spot): number {
  return a.ofService - b.ofService || a.total - b.total || (a.nodeId < b.nodeId ? -1 : 1);
}
