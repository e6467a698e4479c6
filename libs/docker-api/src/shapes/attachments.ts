import { isBefore, type Network, type Revision, type StateView, type Task } from '@shoal/state';
import { unlessNone } from './meta.ts';
import { attachedNetworkShape } from './network.ts';

/** A network that a task is in. */
export interface TaskNetwork {
  readonly network: Network;
  /** Absent for networks of the host itself. */
  readonly addresses: readonly string[] | undefined;
}

/**
 * The networks of a task with its addresses, the ingress network first, then in the order of its spec;
 * nothing before the allocator is done with it.
 */
export function taskNetworks(
  task: Task,
  revision: Revision | undefined,
  networkOf: (id: string) => Network | undefined,
): readonly TaskNetwork[] {
  const targets = revision?.spec.TaskTemplate.Networks;
  if ((task.networks === undefined && targets === undefined) || isNew(task)) return [];
  const given = new Map(task.networks?.map((each) => [each.networkId, each.addresses]));
  const asked = (targets ?? []).map(({ Target }) => Target);
  // Only the ingress network is in none of the specs.
  const unasked = [...given.keys()].filter((id) => !asked.includes(id));
  return [...new Set([...unasked, ...asked])].flatMap((id) => {
    const network = networkOf(id);
    if (network === undefined || (!given.has(id) && !network.spec.Predefined)) return [];
    return [{ network, addresses: unlessNone(given.get(id)) }];
  });
}

function isNew({ status }: Task): boolean {
  return isBefore(status.state, 'pending');
}

export function attachmentShapes(view: StateView, task: Task) {
  const revision = view.revisions.of(task.serviceId, task.revision);
  return taskNetworks(task, revision, (id) => view.networks.get(id)).map(
    ({ network, addresses }) => ({ Network: attachedNetworkShape(network), Addresses: addresses }),
  );
}
