import type { Node, Revision, Task } from './objects.ts';
import type { GenericResource, Resources } from './spec.ts';
import { holdsReservation, isBefore } from './task-state.ts';
import type { StateView } from './view.ts';

/** Amounts of what a node has or a task asks for. */
export interface Amounts {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** Kind of generic resource → amount. */
  readonly generic: ReadonlyMap<string, number>;
}

/** What one task of a revision takes from its node. */
export interface Demand extends Amounts {
  /** Each host port once, whatever the spec repeats. */
  readonly hostPorts: readonly HostPort[];
  /** Tasks of the service that one node may have; 0 means no limit. */
  readonly maxReplicasPerNode: number;
}

export interface HostPort {
  /** `tcp/8080`, the key of `NodeUsage.hostPorts`. */
  readonly key: string;
  readonly protocol: string;
  readonly port: number;
}

/**
 * True when the task takes from its node what its revision demands: it has a node, and its observed
 * state is one of `assigned` … `running`. A task that was given a node at its creation (global
 * services) holds nothing while it is `new` or `pending`: the scheduler first confirms that it fits.
 * The desired state does not matter: a task told to stop holds until it has stopped.
 *
 * `StateView.usage` sums exactly these tasks. Capacity, host ports and `max replicas per node` are
 * judged at the one moment a task begins to hold, and not again: a node that shrinks keeps what it has.
 */
export function holdsOnNode(task: Pick<Task, 'nodeId' | 'status'>): boolean {
  const { state } = task.status;
  return task.nodeId !== '' && holdsReservation(state) && !isBefore(state, 'assigned');
}

/** True when the task counts against `max replicas per node`: it holds, and is not told to stop. */
export function countsAsReplica(task: Pick<Task, 'nodeId' | 'status' | 'desired'>): boolean {
  return holdsOnNode(task) && !isBefore('complete', task.desired);
}

/** Tasks of the service that count against its `max replicas per node` on the node. */
export function replicasOnNode(
  view: Pick<StateView, 'tasks'>,
  nodeId: string,
  serviceId: string,
): number {
  let count = 0;
  for (const task of view.tasks.byNode(nodeId))
    if (task.serviceId === serviceId && countsAsReplica(task)) count += 1;
  return count;
}

const demands = new WeakMap<Revision, Demand>();

const noDemand: Demand = {
  nanoCpus: 0,
  memoryBytes: 0,
  generic: new Map(),
  hostPorts: [],
  maxReplicasPerNode: 0,
};

/** Computed once for each revision; most ask for nothing, and are not remembered. */
export function demandOf(revision: Revision): Demand {
  const { TaskTemplate: template, EndpointSpec } = revision.spec;
  const asksNothing =
    template.Resources?.Reservations === undefined &&
    (EndpointSpec?.Ports ?? []).length === 0 &&
    (template.Placement?.MaxReplicas ?? 0) === 0;
  if (asksNothing) return noDemand;
  let demand = demands.get(revision);
  if (demand === undefined) {
    const { TaskTemplate } = revision.spec;
    demand = {
      ...amountsOf(TaskTemplate.Resources?.Reservations),
      hostPorts: hostPortsOf(revision),
      maxReplicasPerNode: TaskTemplate.Placement?.MaxReplicas ?? 0,
    };
    demands.set(revision, demand);
  }
  return demand;
}

const capacities = new WeakMap<Node, Amounts>();

/** What the node has in all, by its description; nothing before its agent's first session. */
export function capacityOf(node: Node): Amounts {
  let capacity = capacities.get(node);
  if (capacity === undefined) {
    capacity = amountsOf(node.description?.Resources);
    capacities.set(node, capacity);
  }
  return capacity;
}

function amountsOf(resources: Resources | undefined): Amounts {
  return {
    nanoCpus: resources?.NanoCPUs ?? 0,
    memoryBytes: resources?.MemoryBytes ?? 0,
    generic: genericAmounts(resources?.GenericResources ?? []),
  };
}

/** A named resource counts as one of its kind. */
function genericAmounts(resources: readonly GenericResource[]): ReadonlyMap<string, number> {
  const amounts = new Map<string, number>();
  const add = (kind: string, amount: number): void => {
    amounts.set(kind, (amounts.get(kind) ?? 0) + amount);
  };
  for (const { DiscreteResourceSpec, NamedResourceSpec } of resources) {
    if (DiscreteResourceSpec) add(DiscreteResourceSpec.Kind, DiscreteResourceSpec.Value);
    if (NamedResourceSpec) add(NamedResourceSpec.Kind, 1);
  }
  return amounts;
}

const noKeys: readonly string[] = [];

/** The key of one named generic resource in {@link NodeUsage.named}. */
export function namedKey(kind: string, value: string): string {
  return `${kind}=${value}`;
}

/** Keys of the named ones among generic resources. */
export function namedOf(resources: readonly GenericResource[] | undefined): readonly string[] {
  if (resources === undefined) return noKeys;
  return resources.flatMap(({ NamedResourceSpec: named }) =>
    named === undefined ? [] : [namedKey(named.Kind, named.Value)],
  );
}

/**
 * What a task that demands `generic` is given on the node: of a kind that the node has by name, as
 * many free names (first come, first given), else the number. Undefined when it demands nothing;
 * shorter than asked when there is not enough.
 */
export function chooseGeneric(
  node: Node,
  generic: ReadonlyMap<string, number>,
  isTaken: (key: string) => boolean,
): readonly GenericResource[] | undefined {
  if (generic.size === 0) return undefined;
  const has = node.description?.Resources.GenericResources ?? [];
  const given: GenericResource[] = [];
  for (const [kind, amount] of generic) {
    const names = has.flatMap(({ NamedResourceSpec: named }) =>
      named?.Kind === kind ? [named] : [],
    );
    if (names.length === 0) given.push({ DiscreteResourceSpec: { Kind: kind, Value: amount } });
    const free = names.filter(({ Kind, Value }) => !isTaken(namedKey(Kind, Value)));
    for (const NamedResourceSpec of free.slice(0, amount)) given.push({ NamedResourceSpec });
  }
  return given;
}

function hostPortsOf(revision: Revision): readonly HostPort[] {
  const ports = new Map<string, HostPort>();
  for (const { Protocol, PublishedPort = 0, PublishMode } of revision.spec.EndpointSpec?.Ports ??
    []) {
    if (PublishMode !== 'host' || PublishedPort === 0) continue;
    const key = `${Protocol}/${PublishedPort}`;
    ports.set(key, { key, protocol: Protocol, port: PublishedPort });
  }
  return [...ports.values()];
}
