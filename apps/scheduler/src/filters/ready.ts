import type { Node } from '@shoal/state';
import { countOfNodes, type Filter } from './filter.ts';

export function isReady({ status, spec }: Node): boolean {
  return status.state === 'ready' && spec.Availability === 'active';
}

/** A node must be up and open for new work. */
export const readyFilter: Filter = {
  prepare:
    () =>
    ({ node }) =>
      isReady(node),
  explain: (nodes) => `${countOfNodes(nodes)} not available for new tasks`,
};
