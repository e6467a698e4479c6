import { type Endpoint, needsAllocation, type Revision } from '@shoal/state';

/**
 * The endpoint of a service that is about to stand at `revision`. Where nothing is to be given, and nothing to
 * be given back, it is right as it is, and the allocator has nothing to write.
 */
export function endpointAt(endpoint: Endpoint, revision: Revision): Endpoint {
  const isBare = endpoint.ports.length === 0 && endpoint.virtualIps.length === 0;
  return isBare && !needsAllocation(revision)
    ? { ...endpoint, revision: revision.number }
    : endpoint;
}

/** Of a service that was never given anything. */
export const noEndpoint: Endpoint = { revision: 0, ports: [], virtualIps: [] };
