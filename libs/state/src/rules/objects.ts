import {
  type Attachment,
  type Cluster,
  type Config,
  type Network,
  type Node,
  type Revision,
  revisionId,
  type Secret,
  type Service,
  type VolumeHome,
} from '../objects.ts';
import { missingReference } from '../references.ts';
import { ingressPortsOf } from '../tables/held.ts';
import type { StateTables } from '../tables/state-tables.ts';
import { isTerminal } from '../task-state.ts';
import type { Refusal } from '../transaction.ts';
import { addressRefusal, allocationRefusal } from './addresses.ts';
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

function portTaken(tables: StateTables, service: Service): Refusal | undefined {
  for (const port of ingressPortsOf(service)) {
    const holder = tables.ingressPorts.get(port);
    if (holder !== undefined && holder !== service.id)
      return { kind: 'port-taken', service: service.id, port, holder };
  }
  return undefined;
}

export const serviceRules: TableRules<Service> = {
  create: (tables, service) =>
    nameTaken(tables, service) ??
    portTaken(tables, service) ??
    addressRefusal(tables, 'service', undefined, service),
  update: (tables, before, after) =>
    nameTaken(tables, after) ??
    portTaken(tables, after) ??
    addressRefusal(tables, 'service', before, after),
  settled(tables, service) {
    const { id } = service;
    const current = tables.revision.of(id, service.revision);
    if (current === undefined)
      return missing('service', id, 'revision', revisionId(id, service.revision));
    const previous = service.previousRevision;
    if (previous !== undefined && tables.revision.of(id, previous) === undefined)
      return missing('service', id, 'revision', revisionId(id, previous));
    // A revision of the past may name what is gone: nothing may return to it.
    return absent(tables, 'service', id, current);
  },
};

/** What the revision names and the cluster does not have. */
function absent(
  tables: StateTables,
  table: 'service' | 'revision',
  id: string,
  revision: Revision,
): Refusal | undefined {
  const gone = missingReference(revision, tables);
  return gone && missing(table, id, gone.table, gone.id);
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
    return absent(tables, 'revision', id, revision);
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

/** There is one network of the routing mesh. */
function secondIngress(tables: StateTables, { id, spec }: Network): Refusal | undefined {
  const { ingress } = tables.network;
  return !spec.Ingress || ingress === undefined || ingress.id === id
    ? undefined
    : { kind: 'already-exists', table: 'network', id: ingress.id };
}

export const networkRules: TableRules<Network> = {
  create: (tables, network) =>
    networkNameTaken(tables, network) ??
    secondIngress(tables, network) ??
    allocationRefusal(tables, undefined, network),
  update: (tables, before, after) =>
    networkNameTaken(tables, after) ??
    secondIngress(tables, after) ??
    allocationRefusal(tables, before, after),
  /** The balancers' addresses go with it. */
  remove(tables, { id, spec }) {
    const revisions = [...tables.revision.attachedTo(id)];
    if (spec.Ingress) for (const one of tables.revision.publishing()) revisions.push(one);
    for (const revision of revisions) {
      const user = userOf(tables, revision);
      if (user !== undefined) return inUse('network', id, user.table, user.id);
    }
    for (const task of tables.task.byNetwork(id)) return inUse('network', id, 'task', task.id);
    for (const attachment of tables.attachment.byNetwork(id))
      if (attachment.kind === 'container') return inUse('network', id, 'attachment', attachment.id);
    return undefined;
  },
};

/** Kept to the network and the node it was made for, and to the addresses it was given. */
export const attachmentRules: TableRules<Attachment> = {
  create: (tables, attachment) => addressRefusal(tables, 'attachment', undefined, attachment),
  update(tables, before, after) {
    for (const field of ['networkId', 'nodeId', 'kind'] as const)
      if (before[field] !== after[field]) return immutable('attachment', before.id, field);
    const given = before.addresses.length > 0;
    if (given && JSON.stringify(before.addresses) !== JSON.stringify(after.addresses))
      return immutable('attachment', before.id, 'addresses');
    return addressRefusal(tables, 'attachment', before, after);
  },
  settled(tables, { id, networkId, nodeId }) {
    if (tables.network.get(networkId) === undefined)
      return missing('attachment', id, 'network', networkId);
    return tables.node.get(nodeId) === undefined
      ? missing('attachment', id, 'node', nodeId)
      : undefined;
  },
};

function documentRules<T extends 'secret' | 'config'>(kind: T): TableRules<Secret | Config> {
  const nameTaken = (tables: StateTables, { id, spec }: Secret | Config): Refusal | undefined => {
    const holder = tables[kind].byName(spec.Name);
    return holder === undefined || holder.id === id
      ? undefined
      : { kind: 'name-conflict', table: kind, name: spec.Name, holder: holder.id };
  };
  return {
    create: nameTaken,
    update: (tables, before, after) =>
      JSON.stringify(before.data) === JSON.stringify(after.data)
        ? nameTaken(tables, after)
        : immutable(kind, before.id, 'data'),
    remove(tables, { id }) {
      const [user] = tables.service.byDocument(kind, id);
      return user === undefined ? undefined : inUse(kind, id, 'service', user.id);
    },
  };
}

export const secretRules: TableRules<Secret> = documentRules('secret');
export const configRules: TableRules<Config> = documentRules('config');

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
