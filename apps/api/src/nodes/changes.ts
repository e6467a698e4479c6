import { apiErrors, type Quorum } from '@shoal/docker-api';
import type { Node, StateView } from '@shoal/state';

/**
 * Refuses a demotion that would cost the swarm its last manager, or the majority of those that stay.
 * @throws ApiError
 */
export function checkDemotion(view: StateView, node: Node, { reachability }: Quorum): void {
  const managers = [...view.nodes.values()].filter(({ spec }) => spec.Role === 'manager');
  if (managers.every(({ id }) => id === node.id)) throw apiErrors.lastManager();
  const staying = managers.filter(({ id, manager }) => id !== node.id && manager !== undefined);
  const heard = staying.filter(({ id }) => reachability.get(id) === 'reachable').length;
  if (node.manager !== undefined && heard <= staying.length / 2) throw apiErrors.quorumLoss();
}
