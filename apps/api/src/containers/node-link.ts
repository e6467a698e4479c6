import { LinkClient, type LinkMetrics } from '@shoal/link';
import { RenewableProof } from '@shoal/pki';
import type { Clock } from '@shoal/runtime';
import type { NodeLink } from './container-router.ts';

/** Asks other nodes as the manager that this host is by then. */
export function linkToNodes(clock: Clock, metrics: LinkMetrics): NodeLink {
  return (identity, call) => {
    const source = new RenewableProof(identity);
    return new LinkClient({ source, clusterId: identity.clusterId, clock, metrics }).request(call);
  };
}
