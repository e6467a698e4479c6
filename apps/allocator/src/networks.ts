import type { Revision, StateView } from '@shoal/state';

/**
 * What keeps a task of the revision from joining its networks; empty when nothing does. Node-local
 * networks (`host`, `bridge`, none) need no addresses from here.
 */
export function networkObstacle(view: StateView, revision: Revision): string {
  for (const { Target } of revision.spec.TaskTemplate.Networks ?? []) {
    const network = view.networks.get(Target);
    if (network === undefined) return `network ${Target} not found`;
    if (!network.spec.Predefined)
      return `network ${network.spec.Name} has no address for the task yet`;
  }
  return '';
}
