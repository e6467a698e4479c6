import {
  type Attachment,
  addressOf,
  balancingOf,
  type EndpointRecord,
  isBefore,
  type Network,
  type Node,
  type RecordPort,
  type RecordService,
  type Service,
  type ServiceSpec,
  type StateView,
  type Task,
  type TaskAttachment,
  type TaskNetwork,
  taskName,
} from '@shoal/state';
import { meshPorts } from './mesh-ports.ts';
import { balancerEndpointId } from './names.ts';
import { vtepOf } from './vtep.ts';

/** The record of a task in one of its networks, as the log implies it. */
export function impliedRecord(
  view: StateView,
  task: Task,
  { networkId, addresses }: Pick<TaskAttachment, 'networkId' | 'addresses'>,
): EndpointRecord {
  const node = view.nodes.get(task.nodeId);
  const service = recordService(view, task, networkId);
  return {
    networkId,
    endpointId: task.id,
    kind: 'task',
    nodeId: task.nodeId,
    vtep: vtepOf(node),
    addresses: addresses.map(addressOf),
    name: taskName(task, service.name),
    containerAliases: [],
    slot: task.slot,
    service,
    serving: isServing(task) && isUp(node),
  };
}

/**
 * Everybody in a network, as the log implies it: tasks whose container was told to start, containers run by
 * hand, and the balancers of hosts. Nobody is served on a host that is down, but who is there stays reachable:
 * perhaps only its agent is away.
 */
export function impliedRecords(view: StateView, networkId: string): EndpointRecord[] {
  const records: EndpointRecord[] = [];
  for (const task of view.tasks.byNetwork(networkId)) {
    const given = task.networks?.find((each) => each.networkId === networkId);
    if (given === undefined || !hasContainer(task)) continue;
    if (view.nodes.get(task.nodeId) !== undefined) records.push(impliedRecord(view, task, given));
  }
  for (const attachment of view.attachments.byNetwork(networkId)) {
    const isThere = view.nodes.get(attachment.nodeId) !== undefined;
    if (isThere && attachment.addresses.length > 0) {
      records.push(attachmentRecord(view, attachment));
    }
  }
  return records;
}

/** The record of a host's balancer or of a container that was run by hand. */
export function attachmentRecord(view: StateView, attachment: Attachment): EndpointRecord {
  const { id, kind, networkId, nodeId, name = '', addresses } = attachment;
  const isBalancer = kind === 'node';
  return {
    networkId,
    endpointId: isBalancer ? balancerEndpointId(nodeId) : id,
    kind: isBalancer ? 'balancer' : 'container',
    nodeId,
    vtep: vtepOf(view.nodes.get(nodeId)),
    addresses: addresses.map(addressOf),
    name,
    containerAliases: [],
    slot: 0,
    serving: !isBalancer && isUp(view.nodes.get(nodeId)),
  };
}

/** The overlay networks of a task with what is needed to join them; empty when it has none. */
export function taskNetworks(view: StateView, task: Task): readonly TaskNetwork[] {
  const configs = view.revisions.of(task.serviceId, task.revision)?.spec.TaskTemplate.Networks;
  return (task.networks ?? []).map(({ networkId, addresses }) => ({
    networkId,
    addresses,
    driverOptions: configs?.find(({ Target }) => Target === networkId)?.DriverOpts ?? {},
    record: { ...impliedRecord(view, task, { networkId, addresses }), serving: false },
  }));
}

/** A container is or may be there: from its start until it has ended for good. */
function hasContainer({ status }: Task): boolean {
  return status.state === 'starting' || status.state === 'running';
}

/** An agent that stops a container before it is told to says so in the status' error. */
function isServing({ status, desired }: Task): boolean {
  return status.state === 'running' && status.err === '' && isBefore(desired, 'shutdown');
}

function isUp(node: Node | undefined): boolean {
  return node !== undefined && node.status.state !== 'down';
}

function recordService(view: StateView, task: Task, networkId: string): RecordService {
  const service = view.services.get(task.serviceId);
  const own = view.revisions.of(task.serviceId, task.revision)?.spec;
  const present = service && view.revisions.of(service.id, service.revision)?.spec;
  const aliases = own?.TaskTemplate.Networks?.find(({ Target }) => Target === networkId)?.Aliases;
  const network = view.networks.get(networkId);
  return {
    id: task.serviceId,
    name: service?.name ?? own?.Name ?? '',
    aliases: aliases ?? [],
    mode: (present ?? own)?.EndpointSpec?.Mode ?? 'vip',
    virtualIps: (service?.endpoint.virtualIps ?? [])
      .filter((each) => each.networkId === networkId)
      .map(({ addr }) => addressOf(addr)),
    ports: service !== undefined && isIngress(network) ? portsOf(service, task, own) : [],
    ...balancingOf((present ?? own)?.Labels ?? {}),
  };
}

function isIngress(network: Network | undefined): boolean {
  return network?.spec.Ingress === true;
}

function portsOf(
  { endpoint }: Service,
  { revision }: Task,
  own: ServiceSpec | undefined,
): readonly RecordPort[] {
  return meshPorts(endpoint, revision === endpoint.revision ? undefined : own?.EndpointSpec?.Ports);
}
