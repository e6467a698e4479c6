import type { Network } from '@shoal/state';
import { rfc3339Nano } from '../time.ts';

export const predefinedLabel = 'com.docker.swarm.predefined';

/** A swarm network as seen through the cluster alone. */
export function networkShape(network: Network) {
  const { spec } = network;
  const labels = spec.Predefined ? { ...spec.Labels, [predefinedLabel]: 'true' } : spec.Labels;
  return {
    Name: spec.Name,
    Id: network.id,
    Created: rfc3339Nano(network.meta.createdAt),
    Scope: 'swarm',
    Driver: spec.Driver,
    EnableIPv4: false,
    EnableIPv6: false,
    IPAM: { Driver: '', Options: null, Config: [] },
    Internal: spec.Internal,
    Attachable: spec.Attachable,
    Ingress: spec.Ingress,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: null,
    Options: null,
    Labels: Object.keys(labels).length === 0 ? null : labels,
  };
}
