import type { GenericResource, Node, Revision, StateView, Task } from '@shoal/state';
import { policiesAllow } from './naive-policies.ts';

/**
 * Placement once more, in the plainest way and without the product's own code: what a node has, what is
 * taken on it, and whether a task would fit. Slow, and only as much of it as the simulation's specs use.
 */

const holding: ReadonlySet<string> = new Set([
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
]);
const goingOn: ReadonlySet<string> = new Set(['ready', 'running', 'complete']);

/** True when the task takes room on its node. */
export function isHolding({ nodeId, status }: Task): boolean {
  return nodeId !== '' && holding.has(status.state);
}

export interface Taken {
  nanoCpus: number;
  memoryBytes: number;
  readonly generic: Map<string, number>;
  /** `gpu=g1` → tasks that were given it. */
  readonly names: Map<string, string[]>;
  /** `tcp/8080` → tasks that hold it. */
  readonly ports: Map<string, string[]>;
  /** Service id → its tasks that are not told to stop. */
  readonly replicas: Map<string, number>;
}

export function takenOn(view: StateView, nodeId: string): Taken {
  const taken: Taken = {
    nanoCpus: 0,
    memoryBytes: 0,
    generic: new Map(),
    names: new Map(),
    ports: new Map(),
    replicas: new Map(),
  };
  for (const task of view.tasks.values()) {
    if (task.nodeId !== nodeId || !isHolding(task)) continue;
    const revision = view.revisions.of(task.serviceId, task.revision);
    if (revision === undefined) continue;
    const asked = revision.spec.TaskTemplate.Resources?.Reservations;
    taken.nanoCpus += asked?.NanoCPUs ?? 0;
    taken.memoryBytes += asked?.MemoryBytes ?? 0;
    for (const [kind, amount] of amounts(asked?.GenericResources)) add(taken.generic, kind, amount);
    for (const { NamedResourceSpec: named } of task.genericResources ?? [])
      if (named !== undefined) push(taken.names, `${named.Kind}=${named.Value}`, task.id);
    for (const port of hostPorts(revision)) push(taken.ports, port, task.id);
    if (goingOn.has(task.desired)) add(taken.replicas, task.serviceId, 1);
  }
  return taken;
}

/** What the node has too little of for what is taken on it; empty when all is well. */
export function overcommitments(node: Node, taken: Taken): readonly string[] {
  const has = node.description?.Resources;
  const wrong: string[] = [];
  if (taken.nanoCpus > (has?.NanoCPUs ?? 0)) wrong.push(`${taken.nanoCpus} nano-CPUs`);
  if (taken.memoryBytes > (has?.MemoryBytes ?? 0)) wrong.push(`${taken.memoryBytes} bytes`);
  const generic = amounts(has?.GenericResources);
  for (const [kind, amount] of taken.generic)
    if (amount > (generic.get(kind) ?? 0)) wrong.push(`${amount} of ${kind}`);
  for (const [name, holders] of taken.names)
    if (holders.length > 1) wrong.push(`${name} given to ${holders.join(' and ')}`);
  for (const [port, holders] of taken.ports)
    if (holders.length > 1) wrong.push(`port ${port} given to ${holders.join(' and ')}`);
  return wrong.map((what) => `node ${node.id} is over-committed: ${what}`);
}

/** Whether a task of the revision, this one if it is given, could begin to run on the node now. */
export function fits(view: StateView, node: Node, revision: Revision, task?: Task): boolean {
  if (node.status.state !== 'ready' || node.spec.Availability !== 'active') return false;
  if (!meets(node, revision) || !policiesAllow(view, node, revision, task)) return false;
  const taken = takenOn(view, node.id);
  const has = node.description?.Resources;
  const { Resources, Placement } = revision.spec.TaskTemplate;
  const asked = Resources?.Reservations;
  const cpus = asked?.NanoCPUs ?? 0;
  const memory = asked?.MemoryBytes ?? 0;
  if (cpus > 0 && taken.nanoCpus + cpus > (has?.NanoCPUs ?? 0)) return false;
  if (memory > 0 && taken.memoryBytes + memory > (has?.MemoryBytes ?? 0)) return false;
  const generic = amounts(has?.GenericResources);
  for (const [kind, amount] of amounts(asked?.GenericResources))
    if ((taken.generic.get(kind) ?? 0) + amount > (generic.get(kind) ?? 0)) return false;
  for (const port of hostPorts(revision)) if (taken.ports.has(port)) return false;
  const most = Placement?.MaxReplicas ?? 0;
  return most === 0 || (taken.replicas.get(revision.serviceId) ?? 0) < most;
}

/** Whether the node meets the constraints. */
export function meets(node: Node, { spec }: Revision): boolean {
  return (spec.TaskTemplate.Placement?.Constraints ?? []).every((text) => {
    const match = /^\s*([^\s=!]+)\s*(==|!=)\s*(.*?)\s*$/.exec(text);
    if (match === null) return false;
    const [, key = '', operator, value = ''] = match;
    const same = fact(node, key).toLowerCase() === value.toLowerCase();
    return same === (operator === '==');
  });
}

function fact(node: Node, key: string): string {
  const engine = node.description?.Engine.Labels ?? {};
  if (key.startsWith('node.labels.')) return node.spec.Labels[key.slice(12)] ?? '';
  if (key.startsWith('engine.labels.')) return engine[key.slice(14)] ?? '';
  if (key === 'node.id') return node.id;
  if (key === 'node.role') return node.role;
  if (key === 'node.hostname') return node.description?.Hostname ?? '';
  if (key === 'node.platform.os') return node.description?.Platform.OS ?? '';
  return '';
}

function hostPorts({ spec }: Revision): readonly string[] {
  const ports = (spec.EndpointSpec?.Ports ?? []).filter(
    ({ PublishMode }) => PublishMode === 'host',
  );
  return [...new Set(ports.map(({ Protocol, PublishedPort }) => `${Protocol}/${PublishedPort}`))];
}

function amounts(resources: readonly GenericResource[] | undefined): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { DiscreteResourceSpec, NamedResourceSpec } of resources ?? []) {
    if (DiscreteResourceSpec !== undefined)
      add(sums, DiscreteResourceSpec.Kind, DiscreteResourceSpec.Value);
    if (NamedResourceSpec !== undefined) add(sums, NamedResourceSpec.Kind, 1);
  }
  return sums;
}

function add(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}

function push(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
