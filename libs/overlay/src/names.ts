import { join } from 'node:path';

/** Where the processes of a host learn what its networks are, under the data directory. */
export function hostNetworksSocket(dataDir: string): string {
  return join(dataDir, 'agent', 'networks.sock');
}

const namespaceFolder = '/run/netns';

/** The network namespace of a network, as `ip netns` calls it. */
export function namespaceName(vni: number): string {
  return `shoal-${vni}`;
}

export function namespacePath(vni: number): string {
  return `${namespaceFolder}/${namespaceName(vni)}`;
}

/**
 * A domain in which every name of the swarm is found as well. Containers with an `ndots` option search it:
 * the engine's resolver passes a single word on only with a domain behind it, then.
 */
export const searchDomain = 'shoal.internal';

/**
 * Driver option of an endpoint of a container run by hand: the nameservers that its user gave, with commas
 * between them. The engine tells the driver again whenever the container starts.
 */
export const nameserversOption = 'com.shoal.nameservers';

/** The endpoint of a host's balancer in each of its networks. */
export function balancerEndpointId(nodeId: string): string {
  return `lb.${nodeId}`;
}
