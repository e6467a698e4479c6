import type { Change, Endpoint, PortConfig, Revision, Service } from '@shoal/state';

export type EndpointAllocation =
  | { readonly kind: 'allocated'; readonly endpoint: Endpoint }
  /** `message` is what the service's tasks wait for. */
  | { readonly kind: 'waits'; readonly message: string };

/**
 * The endpoint of a revision. Ports published on the nodes themselves are copied: there the engine
 * chooses and the scheduler keeps them apart. Ports of the routing mesh need the ingress network.
 */
export function allocateEndpoint(revision: Revision): EndpointAllocation {
  const ports: readonly PortConfig[] = revision.spec.EndpointSpec?.Ports ?? [];
  if (ports.some(({ PublishMode }) => PublishMode === 'ingress'))
    return { kind: 'waits', message: 'ingress network is missing' };
  return {
    kind: 'allocated',
    endpoint: { revision: revision.number, ports, virtualIps: [] },
  };
}

export function isEndpointAllocated({ endpoint, revision }: Service): boolean {
  return endpoint.revision === revision;
}

export function withEndpoint(service: Service, endpoint: Endpoint): Change {
  return { op: 'update', table: 'service', object: { ...service, endpoint } };
}
