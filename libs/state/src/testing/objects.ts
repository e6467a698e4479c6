import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type Attachment,
  type Change,
  type Create,
  type Lease,
  type Meta,
  type Network,
  type Node,
  type Resources,
  type Revision,
  revisionId,
  type Service,
  type ServiceSpec,
  type TableName,
  type Tables,
  type Task,
  type Transaction,
  type Update,
} from '../index.ts';

/** Objects and transactions for tests, small and whole. */

export function meta(version = 0): Meta {
  return { version: version as LogIndex, createdAt: 0 as Instant, updatedAt: 0 as Instant };
}

export function node(id: string, resources: Resources = {}, hostname = `host-${id}`): Node {
  return {
    id,
    meta: meta(),
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    description: {
      Hostname: hostname,
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: resources,
      Engine: { EngineVersion: '28.0.0', Plugins: [] },
    },
    status: { state: 'ready', message: '', addr: '10.0.0.1', dispatcher: '' },
  };
}

export function service(id: string, name = id, revision = 1): Service {
  return {
    id,
    meta: meta(),
    name,
    revision,
    endpoint: { revision: 0, ports: [], virtualIps: [] },
  };
}

export function spec(name: string, overrides: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    Name: name,
    Labels: {},
    TaskTemplate: { ContainerSpec: { Image: 'busybox' }, ForceUpdate: 0 },
    Mode: { Replicated: { Replicas: 1 } },
    ...overrides,
  };
}

export function revision(
  serviceId: string,
  number = 1,
  overrides: Partial<ServiceSpec> = {},
): Revision {
  return {
    id: revisionId(serviceId, number),
    meta: meta(),
    serviceId,
    number,
    spec: spec(serviceId, overrides),
  };
}

/** A revision whose tasks take `reservations` from their node. */
export function reserving(serviceId: string, reservations: Resources, number = 1): Revision {
  const template = spec(serviceId).TaskTemplate;
  return revision(serviceId, number, {
    TaskTemplate: { ...template, Resources: { Reservations: reservations } },
  });
}

/** A revision whose tasks publish the TCP ports on their node. */
export function publishing(serviceId: string, ...ports: readonly number[]): Revision {
  return revision(serviceId, 1, {
    EndpointSpec: {
      Ports: ports.map((port) => ({
        Protocol: 'tcp',
        TargetPort: 80,
        PublishedPort: port,
        PublishMode: 'host',
      })),
    },
  });
}

export function attached(serviceId: string, number: number, ...targets: string[]): Revision {
  const template = spec(serviceId).TaskTemplate;
  return revision(serviceId, number, {
    TaskTemplate: { ...template, Networks: targets.map((Target) => ({ Target })) },
  });
}

export function atMost(serviceId: string, MaxReplicas: number): Revision {
  const template = spec(serviceId).TaskTemplate;
  return revision(serviceId, 1, { TaskTemplate: { ...template, Placement: { MaxReplicas } } });
}

export function task(id: string, serviceId: string, overrides: Partial<Task> = {}): Task {
  return {
    id,
    meta: meta(),
    serviceId,
    slot: 1,
    nodeId: '',
    revision: 1,
    desired: 'running',
    status: { state: 'new', at: 1_000 as Instant, message: 'created', err: '' },
    ...overrides,
  };
}

export function observed(state: Task['status']['state'], message = ''): Task['status'] {
  return { state, at: 1_000 as Instant, message, err: '' };
}

export function network(id: string, name = id): Network {
  return {
    id,
    meta: meta(),
    spec: {
      Name: name,
      Labels: {},
      Driver: 'overlay',
      Internal: false,
      Attachable: false,
      Ingress: false,
      Predefined: false,
    },
  };
}

/** A network with one subnet; the gateway is its first host, `10.0.1.1` of `10.0.1.0/24`. */
export function allocated(id: string, subnet: string, vni: number): Network {
  const gateway = subnet.replace(/[0-9]+\/.*$/, (end) => `${Number.parseInt(end, 10) + 1}`);
  return {
    ...network(id),
    allocation: { subnets: [{ subnet, gateway, vni }], at: 1_000 as Instant },
  };
}

export function attachment(id: string, networkId: string, ...addresses: string[]): Attachment {
  return { id, meta: meta(), networkId, nodeId: 'n1', kind: 'container', name: 'tool', addresses };
}

export function lease(id: string, stage = 'scheduler'): Lease {
  return { id, meta: meta(), stage, nodeId: 'n1', address: '' };
}

export function create<T extends TableName>(table: T, object: Tables[T]): Change {
  return { op: 'create', table, object } satisfies Create<T> as unknown as Change;
}

export function update<T extends TableName>(table: T, object: Tables[T]): Change {
  return { op: 'update', table, object } satisfies Update<T> as unknown as Change;
}

export function remove(table: TableName, id: string, version: number): Change {
  return { op: 'delete', table, id, version: version as LogIndex };
}

/** The transaction of a test's changes. */
export function transaction(
  id: string,
  changes: readonly Change[],
  under?: { readonly id: string; readonly epoch: number },
): Transaction {
  return {
    id,
    actor: { kind: 'system', name: 'test' },
    reason: 'a test asks for it',
    decidedAt: 0 as LogIndex,
    ...(under && { lease: { id: under.id, epoch: under.epoch as LogIndex } }),
    changes,
  };
}
