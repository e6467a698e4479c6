import {
  type Cluster,
  type Network,
  type Node,
  type Revision,
  revisionId,
  type Service,
  type VolumeHome,
} from '../objects.ts';
import type { StateTables } from '../tables/state-tables.ts';
import { isTerminal } from '../task-state.ts';
import type { Refusal } from '../transaction.ts';
import { immutable, inUse, missing, type TableRules } from './rules.ts';

/** There is one cluster object at most. */
export const clusterRules: TableRules<Cluster> = {
  create(tables) {
    for (const { id } of tables.cluster.values())
      return { kind: 'already-exists', table: 'cluster', id };
    return undefined;
  },
  remove: (_tables, { id }) => immutable('cluster', id, 'existence'),
};

export const nodeRules: TableRules<Node> = {
  /** Somebody must remain who can say what the cluster is to do. */
  update(tables, before, after) {
    if (before.spec.Role !== 'manager' || after.spec.Role === 'manager') return undefined;
    for (const node of tables.node.values())
      if (node.id !== before.id && node.spec.Role === 'manager') return undefined;
    return { kind: 'last-manager', node: before.id };
  },
  remove(tables, node) {
    if (node.spec.Role === 'manager' || node.role === 'manager')
      return { kind: 'is-manager', node: node.id };
    for (const task of tables.task.byNode(node.id))
      if (!isTerminal(task.status.state)) return inUse('node', node.id, 'task', task.id);
    return undefined;
  },
};

function nameTaken(tables: StateTables, service: Service): Refusal | undefined {
  const holder = tables.service.byName(service.name);
  return holder === undefined || holder.id === service.id
    ? undefined
    : { kind: 'name-conflict', table: 'service', name: service.name, holder: holder.id };
}

export const serviceRules: TableRules<Service> = {
  create: nameTaken,
  update: (tables, _before, after) => nameTaken(tables, after),
  settled(tables, service) {
    const { id } = service;
    const current = tables.revision.of(id, service.revision);
    if (current === undefined)
      return missing('service', id, 'revision', revisionId(id, service.revision));
    const previous = service.previousRevision;
    if (previous !== undefined && tables.revision.of(id, previous) === undefined)
      return missing('service', id, 'revision', revisionId(id, previous));
    // A revision of the past may name a network that is gone: nothing may return to it.
    const network = absentNetwork(tables, current);
    return network === undefined ? undefined : missing('service', id, 'network', network);
  },
};

function absentNetwork(tables: StateTables, revision: Revision): string | undefined {
  const networks = revision.spec.TaskTemplate.Networks ?? [];
  return networks.find(({ Target }) => tables.network.get(Target) === undefined)?.Target;
}

export const revisionRules: TableRules<Revision> = {
  update: (_tables, before) => immutable('revision', before.id, 'spec'),
  remove(tables, { id, serviceId, number }) {
    const service = tables.service.get(serviceId);
    if (service?.revision === number || service?.previousRevision === number)
      return inUse('revision', id, 'service', serviceId);
    for (const task of tables.task.byService(serviceId))
      if (task.revision === number) return inUse('revision', id, 'task', task.id);
    return undefined;
  },
  settled(tables, revision) {
    const { id, serviceId } = revision;
    if (tables.service.get(serviceId) === undefined)
      return missing('revision', id, 'service', serviceId);
    const network = absentNetwork(tables, revision);
    return network === undefined ? undefined : missing('revision', id, 'network', network);
  },
};

/** Nothing may be remembered for a service that is gone: nobody would come to forget it. */
export const volumeHomeRules: TableRules<VolumeHome> = {
  settled: (tables, { id, serviceId }) =>
    tables.service.get(serviceId) === undefined
      ? missing('volumeHome', id, 'service', serviceId)
      : undefined,
};

function networkNameTaken(tables: StateTables, { id, spec }: Network): Refusal | undefined {
  const holder = tables.network.byName(spec.Name);
  return holder === undefined || holder.id === id
    ? undefined
    : { kind: 'name-conflict', table: 'network', name: spec.Name, holder: holder.id };
}

export const networkRules: TableRules<Network> = {
  create: networkNameTaken,
  update: (tables, _before, after) => networkNameTaken(tables, after),
  remove(tables, network) {
    for (const revision of tables.revision.values()) {
      const networks = revision.spec.TaskTemplate.Networks ?? [];
      if (!networks.some(({ Target }) => Target === network.id)) continue;
      const user = userOf(tables, revision);
      if (user !== undefined) return inUse('network', network.id, user.table, user.id);
    }
    return undefined;
  },
};

/** The service whose current revision this is, or a task made from it that has not stopped. */
function userOf(
  tables: StateTables,
  { serviceId, number }: Revision,
): { readonly table: 'service' | 'task'; readonly id: string } | undefined {
  if (tables.service.get(serviceId)?.revision === number)
    return { table: 'service', id: serviceId };
  for (const task of tables.task.byService(serviceId))
    if (task.revision === number && !isTerminal(task.status.state))
      return { table: 'task', id: task.id };
  return undefined;
}
