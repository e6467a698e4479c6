import type { HostNetwork } from '@shoal/overlay';

/** A network as it stands on a host, with nobody in it. */
export function sampleHostNetwork(id: string, more: Partial<HostNetwork> = {}): HostNetwork {
  return {
    id,
    name: id,
    namespace: `/run/netns/${id}`,
    subnets: [],
    internal: false,
    ingress: false,
    mtu: 1_450,
    balancerAddresses: [],
    upstreams: [],
    local: [],
    ...more,
  };
}
