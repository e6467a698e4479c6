import { invariant } from '@shoal/runtime';
import {
  capacityOf,
  countsAsReplica,
  type Demand,
  demandOf,
  holdsOnNode,
  namedKey,
} from '../demand.ts';
import { type Node, revisionId, type Task, type TaskAttachment } from '../objects.ts';
import type { StateTables } from '../tables/state-tables.ts';
import { isBefore } from '../task-state.ts';
import type { Refusal } from '../transaction.ts';
import { addressRefusal } from './addresses.ts';
import { immutable, missing, type TableRules } from './rules.ts';

/**
 * A task outlives its service (the service goes at once, its tasks after they have stopped), but
 * none is made for a service or revision that is not there.
 */
export const taskRules: TableRules<Task> = {
  create(tables, task) {
    const { id, serviceId, revision } = task;
    if (tables.service.get(serviceId) === undefined)
      return missing('task', id, 'service', serviceId);
    if (tables.revision.of(serviceId, revision) === undefined)
      return missing('task', id, 'revision', revisionId(serviceId, revision));
    return placed(tables, undefined, task) ?? addressRefusal(tables, 'task', undefined, task);
  },
  update(tables, before, after) {
    const refusal =
      fixed(before, after) ?? backwards(before, after) ?? placed(tables, before, after);
    // Addresses are given once, so those that it has were judged already.
    if (refusal !== undefined || before.networks !== undefined) return refusal;
    return addressRefusal(tables, 'task', before, after);
  },
};

function fixed(before: Task, after: Task): Refusal | undefined {
  if (before.serviceId !== after.serviceId) return immutable('task', before.id, 'serviceId');
  if (before.slot !== after.slot) return immutable('task', before.id, 'slot');
  if (before.revision !== after.revision) return immutable('task', before.id, 'revision');
  if (before.jobIteration !== after.jobIteration)
    return immutable('task', before.id, 'jobIteration');
  if (before.nodeId !== '' && before.nodeId !== after.nodeId)
    return immutable('task', before.id, 'nodeId');
  if (before.networks !== undefined && !sameNetworks(before.networks, after.networks))
    return immutable('task', before.id, 'networks');
  if (holdsOnNode(before) && !sameGeneric(before, after))
    return immutable('task', before.id, 'genericResources');
  return undefined;
}

/** What was given when the task began to hold is what it gives back. */
function sameGeneric({ genericResources: before }: Task, { genericResources: after }: Task) {
  return before === after || JSON.stringify(before) === JSON.stringify(after);
}

/** Addresses are given once. */
function sameNetworks(before: readonly TaskAttachment[], after: Task['networks']): boolean {
  if (before === after) return true;
  return before.length === after?.length && before.every((one, at) => isSame(one, after[at]));
}

function isSame(before: TaskAttachment, after: TaskAttachment | undefined): boolean {
  const { networkId, addresses } = before;
  return (
    networkId === after?.networkId &&
    addresses.length === after.addresses.length &&
    addresses.every((address, at) => address === after.addresses[at])
  );
}

function backwards(before: Task, after: Task): Refusal | undefined {
  if (isBefore(after.status.state, before.status.state))
    return movedBack(before.id, 'observed', before.status.state, after.status.state);
  if (isBefore(after.desired, before.desired))
    return movedBack(before.id, 'desired', before.desired, after.desired);
  return undefined;
}

function movedBack(task: string, field: 'desired' | 'observed', from: string, to: string): Refusal {
  return { kind: 'state-moved-back', task, field, from, to };
}

/** The node exists when the task gets it, and has room when the task begins to hold on it. */
function placed(tables: StateTables, before: Task | undefined, after: Task): Refusal | undefined {
  if (after.nodeId === '') return undefined;
  const begins = holdsOnNode(after) && (before === undefined || !holdsOnNode(before));
  if (!begins && before?.nodeId === after.nodeId) return undefined;
  const node = tables.node.get(after.nodeId);
  if (node === undefined) return missing('task', after.id, 'node', after.nodeId);
  if (!begins) return undefined;
  const revision = tables.revision.of(after.serviceId, after.revision);
  invariant(revision !== undefined, 'a task without its revision', { task: after.id });
  const demand = demandOf(revision);
  return (
    (asksForRoom(demand) ? overCapacity(tables, node, after.id, demand) : undefined) ??
    nameTaken(tables, node, after) ??
    portTaken(tables, after, demand) ??
    tooMany(tables, after, demand)
  );
}

function asksForRoom({ nanoCpus, memoryBytes, generic }: Demand): boolean {
  return nanoCpus !== 0 || memoryBytes !== 0 || generic.size !== 0;
}

function overCapacity(
  tables: StateTables,
  node: Node,
  task: string,
  demand: Demand,
): Refusal | undefined {
  const { nanoCpus, memoryBytes, generic } = demand;
  const has = capacityOf(node);
  const used = tables.usage(node.id);
  const refuse = (resource: string, asked: number, free: number): Refusal | undefined =>
    asked === 0 || asked <= free
      ? undefined
      : { kind: 'over-capacity', task, node: node.id, resource, asked, free };
  const basic =
    refuse('cpu', nanoCpus, has.nanoCpus - used.nanoCpus) ??
    refuse('memory', memoryBytes, has.memoryBytes - used.memoryBytes);
  if (basic !== undefined) return basic;
  for (const [kind, asked] of generic) {
    const free = (has.generic.get(kind) ?? 0) - (used.generic.get(kind) ?? 0);
    const refusal = refuse(kind, asked, free);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** A named resource must be the node's, and free; one task does not get it twice either. */
function nameTaken(tables: StateTables, node: Node, task: Task): Refusal | undefined {
  if (task.genericResources === undefined) return undefined;
  const { named: taken } = tables.usage(node.id);
  const own = new Set<string>();
  for (const { NamedResourceSpec: named } of task.genericResources) {
    if (named === undefined) continue;
    const { Kind, Value } = named;
    const key = namedKey(Kind, Value);
    if (!taken.has(key) && !own.has(key) && hasNamed(node, Kind, Value)) own.add(key);
    else
      return {
        kind: 'over-capacity',
        task: task.id,
        node: node.id,
        resource: Kind,
        asked: 1,
        free: 0,
      };
  }
  return undefined;
}

function hasNamed({ description }: Node, kind: string, value: string): boolean {
  return (description?.Resources.GenericResources ?? []).some(
    ({ NamedResourceSpec: named }) => named?.Kind === kind && named.Value === value,
  );
}

function portTaken(tables: StateTables, task: Task, demand: Demand): Refusal | undefined {
  if (demand.hostPorts.length === 0) return undefined;
  const { hostPorts } = tables.usage(task.nodeId);
  const taken = demand.hostPorts.find(({ key }) => hostPorts.has(key));
  if (taken === undefined) return undefined;
  const { port, protocol } = taken;
  return { kind: 'host-port-taken', task: task.id, node: task.nodeId, port, protocol };
}

function tooMany(tables: StateTables, task: Task, demand: Demand): Refusal | undefined {
  const max = demand.maxReplicasPerNode;
  if (max === 0 || !countsAsReplica(task)) return undefined;
  let replicas = 0;
  for (const other of tables.task.byNode(task.nodeId))
    if (other.serviceId === task.serviceId && countsAsReplica(other)) replicas += 1;
  return replicas < max
    ? undefined
    : { kind: 'too-many-replicas', task: task.id, node: task.nodeId, max };
}
