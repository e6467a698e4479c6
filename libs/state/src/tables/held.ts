import { canonical } from '../address/address.ts';
import type {
  Attachment,
  Network,
  Service,
  StateObject,
  TableName,
  Task,
  TaskAttachment,
} from '../objects.ts';
import type { PortConfig } from '../spec.ts';
import { isTerminal } from '../task-state.ts';

/** An address that an object has in a network, with prefix length or without. */
export interface HeldAddress {
  readonly networkId: string;
  readonly address: string;
}

const none: readonly never[] = [];

/** Every address that is the object's as long as it stands as it is. */
export function heldAddresses(table: TableName, object: StateObject): readonly HeldAddress[] {
  switch (table) {
    case 'task': {
      const networks = attachmentsOf(object as Task);
      return networks.length === 0 ? none : networks.flatMap(addressesOf);
    }
    case 'service':
      return virtualAddresses(object as Service);
    case 'attachment':
      return addressesOf(object as Attachment);
    case 'network':
      return ownAddresses(object as Network);
    default:
      return none;
  }
}

/** The networks that a task has addresses in; none once it is in a final state. */
export function attachmentsOf({ status, networks = none }: Task): readonly TaskAttachment[] {
  return isTerminal(status.state) ? none : networks;
}

/** True for most changes of a task: they leave it the addresses that it has. */
export function keepsNetworks(before: Task | undefined, after: Task | undefined): boolean {
  return (
    before !== undefined && after !== undefined && attachmentsOf(before) === attachmentsOf(after)
  );
}

function addressesOf({ networkId, addresses }: TaskAttachment): readonly HeldAddress[] {
  return addresses.map((address) => ({ networkId, address }));
}

function virtualAddresses({ endpoint }: Service): readonly HeldAddress[] {
  const { virtualIps } = endpoint;
  if (virtualIps.length === 0) return none;
  return virtualIps.flatMap(({ networkId, addr }) =>
    addr === '' ? none : { networkId, address: addr },
  );
}

/** Gateways, and what the user reserved. */
function ownAddresses({ id, spec, allocation }: Network): readonly HeldAddress[] {
  if (allocation === undefined) return none;
  const gateways = allocation.subnets.map(({ gateway }) => gateway);
  const reserved = (spec.IPAM?.Configs ?? none).flatMap((config) =>
    Object.values(config.AuxAddresses ?? {}).flatMap((text) => canonical(text) ?? none),
  );
  return [...gateways, ...reserved].map((address) => ({ networkId: id, address }));
}

/** `tcp/8080` of every port that the service has of the routing mesh. */
export function ingressPortsOf({ endpoint }: Service): readonly string[] {
  return endpoint.ports.length === 0 ? none : endpoint.ports.flatMap(ingressPort);
}

function ingressPort({ PublishMode, Protocol, PublishedPort = 0 }: PortConfig): readonly string[] {
  return PublishMode === 'ingress' && PublishedPort !== 0
    ? [portKey(Protocol, PublishedPort)]
    : none;
}

/** The key of a port of the routing mesh in `StateView.ingressPorts`. */
export function portKey(protocol: string, port: number): string {
  return `${protocol}/${port}`;
}

export function vnisOf({ allocation }: Network): readonly number[] {
  if (allocation === undefined) return none;
  return [...new Set(allocation.subnets.map(({ vni }) => vni))];
}
