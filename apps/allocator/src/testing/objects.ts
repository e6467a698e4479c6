import type { Instant } from '@shoal/runtime';
import {
  type Attachment,
  type Change,
  type Cluster,
  type Network,
  type NetworkSpec,
  type Node,
  newMeta,
  type PortConfig,
  revisionId,
  type ServiceSpec,
  type StateView,
  type TableName,
  type Task,
  type TaskState,
} from '@shoal/state';

/** Changes for tests, in few words. */

export const now = 1_700_000_000_000 as Instant;

export interface Parts {
  readonly ports?: readonly PortConfig[];
  readonly networks?: readonly string[];
  readonly mode?: 'vip' | 'dnsrr';
}

export function revision(serviceId: string, number: number, parts: Parts): Change {
  const { ports = [], networks = [], mode } = parts;
  const spec: ServiceSpec = {
    Name: serviceId,
    Labels: {},
    TaskTemplate: {
      ContainerSpec: { Image: 'busybox' },
      ForceUpdate: 0,
      Networks: networks.map((Target) => ({ Target })),
    },
    Mode: { Replicated: { Replicas: 1 } },
    EndpointSpec: { Ports: ports, ...(mode && { Mode: mode }) },
  };
  const id = revisionId(serviceId, number);
  return {
    op: 'create',
    table: 'revision',
    object: { id, meta: newMeta, serviceId, number, spec },
  };
}

export function service(id: string, parts: Parts = {}): Change[] {
  const endpoint = { revision: 0, ports: [], virtualIps: [] };
  const object = { id, meta: newMeta, name: id, revision: 1, endpoint };
  return [{ op: 'create', table: 'service', object }, revision(id, 1, parts)];
}

/** The service gets another revision. */
export function updated(view: StateView, id: string, parts: Parts): Change[] {
  const current = view.services.get(id);
  if (current === undefined) return [];
  const number = current.revision + 1;
  const object = { ...current, revision: number };
  return [{ op: 'update', table: 'service', object }, revision(id, number, parts)];
}

export function networkSpec(id: string, spec: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    Name: `name of ${id}`,
    Labels: {},
    Driver: 'overlay',
    Internal: false,
    Attachable: false,
    Ingress: false,
    Predefined: false,
    ...spec,
  };
}

export function network(id: string, spec: Partial<NetworkSpec> = {}): Change {
  const object: Network = { id, meta: newMeta, spec: networkSpec(id, spec) };
  return { op: 'create', table: 'network', object };
}

/** A network of one subnet that its user names. */
export function subnet(id: string, Subnet: string, spec: Partial<NetworkSpec> = {}): Change {
  return network(id, { IPAM: { Configs: [{ Subnet }] }, ...spec });
}

export function task(id: string, serviceId: string, change: Partial<Task> = {}): Change {
  const object: Task = {
    id,
    meta: newMeta,
    serviceId,
    slot: 1,
    nodeId: '',
    revision: 1,
    desired: 'running',
    status: { state: 'new', at: now, message: 'created', err: '' },
    ...change,
  };
  return { op: 'create', table: 'task', object };
}

/** What scheduler and agent write: the task is in the state, on the node if one is named. */
export function moved(view: StateView, id: string, state: TaskState, nodeId?: string): Change[] {
  const current = view.tasks.get(id);
  if (current === undefined) return [];
  const status = { ...current.status, state };
  const object = { ...current, status, nodeId: current.nodeId || (nodeId ?? '') };
  return [{ op: 'update', table: 'task', object }];
}

export function node(id: string): Change {
  const object: Node = {
    id,
    meta: newMeta,
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'ready', message: '', addr: '10.9.0.1', dispatcher: '' },
  };
  return { op: 'create', table: 'node', object };
}

export function container(
  id: string,
  networkId: string,
  nodeId: string,
  wanted?: string,
  ...addresses: readonly string[]
): Change {
  const object: Attachment = {
    id,
    meta: newMeta,
    networkId,
    nodeId,
    kind: 'container',
    name: id,
    addresses,
    ...(wanted !== undefined && { wanted }),
  };
  return { op: 'create', table: 'attachment', object };
}

export function removed(view: StateView, table: TableName, id: string): Change[] {
  const version = {
    task: view.tasks,
    service: view.services,
    network: view.networks,
    node: view.nodes,
    attachment: view.attachments,
    revision: view.revisions,
  }[table as 'task']?.get(id)?.meta.version;
  return version === undefined ? [] : [{ op: 'delete', table, id, version }];
}

export function cluster(defaultAddressPool: readonly string[], subnetSize: number): Change {
  const object: Cluster = {
    id: 'swarm',
    meta: newMeta,
    spec: {} as Cluster['spec'],
    rootCa: { certificate: '' },
    joinTokens: { worker: { sealed: '' }, manager: { sealed: '' } },
    defaultAddressPool,
    subnetSize,
    dataPathPort: 4789,
  };
  return { op: 'create', table: 'cluster', object };
}

export const hostPort: PortConfig = {
  Protocol: 'tcp',
  TargetPort: 80,
  PublishedPort: 8080,
  PublishMode: 'host',
};
export const ingressPort: PortConfig = { ...hostPort, PublishMode: 'ingress' };
/** Published where there is room. */
export const openPort: PortConfig = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'ingress' };
