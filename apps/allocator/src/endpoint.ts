import {
  attachedNetworks,
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
 * each family in each of its networks. What it had and still needs it keeps.
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
  const virtualIps: { networkId: string; addr: string }[] = [];
  const undo: (() => void)[] = [];
  const putBack = (): void => {
    for (const one of undo) one();
  };
  const obstacles: Obstacle[] = [];
  for (const networkId of networksInOrder(view, service, revision)) {
    const network = view.networks.get(networkId);
    const obstacle = networkObstacle(networkId, network);
    if (obstacle !== undefined) obstacles.push(obstacle);
    if (network === undefined || obstacle !== undefined || !isVirtual(revision)) continue;
    const had = service.endpoint.virtualIps.filter((one) => one.networkId === networkId);
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
  { endpoint }: Service,
  revision: Revision,
): readonly string[] {
  const attached = new Set(attachedNetworks(view, revision));
  const ingress = view.networks.ingress?.id;
  const ids = new Set(endpoint.virtualIps.map(({ networkId }) => networkId));
  if (ingress !== undefined) ids.add(ingress);
  for (const id of attached) ids.add(id);
  return [...ids].filter((id) => attached.has(id));
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

export function withEndpoint(service: Service, endpoint: Endpoint): Change {
  return { op: 'update', table: 'service', object: { ...service, endpoint } };
}
