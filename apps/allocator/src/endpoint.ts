import {
  attachedNetworks,
  attachmentsOf,
  type Change,
  type Endpoint,
  type Family,
  familyOf,
  type Network,
  publishesIngress,
  type Revision,
  type Service,
  type StateView,
} from '@shoal/state';
import { poolsOf } from './address-pools.ts';
import { type Addresses, families } from './addresses.ts';
import {
  type Blocked,
  blocked,
  ingressKey,
  networkObstacle,
  noAddress,
  type Obstacle,
} from './obstacle.ts';
import type { Ports } from './ports.ts';

export type EndpointAllocation =
  | { readonly kind: 'allocated'; readonly endpoint: Endpoint }
  | Blocked;

type VirtualIps = Endpoint['virtualIps'];

const noIngress: Obstacle = {
  kind: 'waits',
  waitsFor: ingressKey,
  message: 'ingress network is missing',
};

/**
 * The endpoint of a service's current revision: its published ports, and in mode vip a virtual address of
 * each family in each of its networks. What it had and still needs it keeps, also for tasks of older revisions.
 */
export function allocateEndpoint(
  view: StateView,
  service: Service,
  revision: Revision,
  addresses: Addresses,
  ports: Ports,
): EndpointAllocation {
  const obstacles: Obstacle[] = [];
  if (publishesIngress(revision) && view.networks.ingress === undefined) obstacles.push(noIngress);
  const asked = revision.spec.EndpointSpec?.Ports ?? [];
  const published = ports.allocate(service.id, asked, service.endpoint.ports);
  if (published.kind === 'blocked') obstacles.push(...published.obstacles);
  const virtual = allocateVirtual(view, service, revision, addresses);
  if (virtual.kind === 'blocked') obstacles.push(...virtual.obstacles);
  if (published.kind === 'given' && virtual.kind === 'given' && obstacles.length === 0) {
    ports.take(service.id, published);
    const { virtualIps } = virtual;
    const endpoint = { revision: revision.number, ports: published.ports, virtualIps };
    return { kind: 'allocated', endpoint };
  }
  if (virtual.kind === 'given') virtual.putBack();
  return blocked(...obstacles);
}

type Virtual =
  | { readonly kind: 'given'; readonly virtualIps: VirtualIps; readonly putBack: () => void }
  | Blocked;

function allocateVirtual(
  view: StateView,
  service: Service,
  revision: Revision,
  addresses: Addresses,
): Virtual {
  const attached = attachedNetworks(view, revision);
  const kept = keptVirtualIps(view, service, revision);
  const virtualIps: { networkId: string; addr: string }[] = [];
  const undo: (() => void)[] = [];
  const putBack = (): void => {
    for (const one of undo) one();
  };
  const obstacles: Obstacle[] = [];
  for (const networkId of networksInOrder(view, kept, attached)) {
    const had = kept.filter((one) => one.networkId === networkId);
    if (!attached.includes(networkId)) {
      virtualIps.push(...had);
      continue;
    }
    const network = view.networks.get(networkId);
    const obstacle = networkObstacle(networkId, network);
    if (obstacle !== undefined) obstacles.push(obstacle);
    if (network === undefined || obstacle !== undefined || !isVirtual(revision)) continue;
    const lacking = familiesOf(network).filter(
      (family) => !had.some(({ addr }) => familyOf(addr) === family),
    );
    const given = addresses.give(network, lacking);
    if (given.kind === 'full') obstacles.push(...noAddress(network, given.full));
    else {
      undo.push(() => addresses.putBack(network, given.addresses));
      virtualIps.push(...had, ...given.addresses.map((addr) => ({ networkId, addr })));
    }
  }
  if (obstacles.length === 0) return { kind: 'given', virtualIps, putBack };
  putBack();
  return blocked(...obstacles);
}

/** As Swarm lists them: what the service has stays where it is; then the ingress network, then the new ones. */
function networksInOrder(
  view: StateView,
  kept: VirtualIps,
  attached: readonly string[],
): Iterable<string> {
  const ids = new Set(kept.map(({ networkId }) => networkId));
  const ingress = view.networks.ingress?.id;
  if (ingress !== undefined) ids.add(ingress);
  for (const id of attached) ids.add(id);
  return ids;
}

/**
 * What the service has and still needs. An address in a network that it has left goes with its last task
 * there: clients of that network use it until an update is through.
 */
function keptVirtualIps(
  view: StateView,
  { id, endpoint }: Service,
  revision: Revision,
): VirtualIps {
  if (!isVirtual(revision) || endpoint.virtualIps.length === 0) return [];
  const attached = new Set(attachedNetworks(view, revision));
  return endpoint.virtualIps.filter(
    ({ networkId }) => attached.has(networkId) || hasTasksIn(view, id, networkId),
  );
}

function hasTasksIn(view: StateView, serviceId: string, networkId: string): boolean {
  for (const task of view.tasks.byService(serviceId))
    if (attachmentsOf(task).some((one) => one.networkId === networkId)) return true;
  return false;
}

/** False where names stand for the tasks' own addresses. */
function isVirtual({ spec }: Revision): boolean {
  return spec.EndpointSpec?.Mode !== 'dnsrr';
}

function familiesOf(network: Network): readonly Family[] {
  return families.filter((family) => poolsOf(network)[family].pools.length > 0);
}

export function isEndpointAllocated({ endpoint, revision }: Service): boolean {
  return endpoint.revision === revision;
}

/** The endpoint without the addresses that nobody needs any more; undefined when there are none of these. */
export function prunedEndpoint(
  view: StateView,
  service: Service,
  revision: Revision,
): Endpoint | undefined {
  const { endpoint } = service;
  const virtualIps = keptVirtualIps(view, service, revision);
  return virtualIps.length < endpoint.virtualIps.length ? { ...endpoint, virtualIps } : undefined;
}

export function withEndpoint(service: Service, endpoint: Endpoint): Change {
  return { op: 'update', table: 'service', object: { ...service, endpoint } };
}
