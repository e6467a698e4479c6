import type { Network, Revision } from './objects.ts';
import type { StateView } from './view.ts';

/** True when the revision publishes a port by the routing mesh. */
export function publishesIngress({ spec }: Pick<Revision, 'spec'>): boolean {
  return (spec.EndpointSpec?.Ports ?? []).some(({ PublishMode }) => PublishMode === 'ingress');
}

/**
 * True when services and tasks of the revision are to be given ports, or addresses in networks. What needs
 * neither is written from the start as if it had been given them: nobody has to write it a second time.
 */
export function needsAllocation({ spec }: Pick<Revision, 'spec'>): boolean {
  const { Networks } = spec.TaskTemplate;
  return (Networks ?? []).length > 0 || (spec.EndpointSpec?.Ports ?? []).length > 0;
}

/** True when tasks and services have addresses in the network: it is not node-local. */
export function hasAddresses({ spec }: Pick<Network, 'spec'>): boolean {
  return !spec.Predefined && spec.Driver === 'overlay';
}

/**
 * Ids of the networks that a task of the revision has addresses in: those of its spec, each once and in
 * order, the ingress network last when it publishes ports there. Ids of networks that are not there are
 * among them; node-local networks are not.
 */
export function attachedNetworks(
  view: Pick<StateView, 'networks'>,
  revision: Revision,
): readonly string[] {
  const ids = new Set<string>();
  for (const { Target } of revision.spec.TaskTemplate.Networks ?? []) {
    const network = view.networks.get(Target);
    if (network === undefined || hasAddresses(network)) ids.add(Target);
  }
  const { ingress } = view.networks;
  if (ingress !== undefined && publishesIngress(revision)) {
    ids.delete(ingress.id);
    ids.add(ingress.id);
  }
  return [...ids];
}
