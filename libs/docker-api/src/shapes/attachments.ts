import { isBefore, type StateView, type Task } from '@shoal/state';
import { unlessNone } from './meta.ts';
import { attachedNetworkShape } from './network.ts';

/**
 * The networks of a task with its addresses, in the order of its spec, the ingress network last; nothing
 * before the allocator is done with it.
 */
export function attachmentShapes(view: StateView, task: Task) {
  if (isBefore(task.status.state, 'pending')) return [];
  const given = new Map(task.networks?.map((each) => [each.networkId, each.addresses]));
  const revision = view.revisions.of(task.serviceId, task.revision);
  const asked = (revision?.spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target);
  return [...new Set([...asked, ...given.keys()])].flatMap((id) => {
    const network = view.networks.get(id);
    if (network === undefined || (!given.has(id) && !network.spec.Predefined)) return [];
    return [{ Network: attachedNetworkShape(network), Addresses: unlessNone(given.get(id)) }];
  });
}
