import { countOfNodes, type Filter } from './filter.ts';

/** A node must be up and open for new work. */
export const readyFilter: Filter = {
  prepare:
    () =>
    ({ node }) =>
      node.status.state === 'ready' && node.spec.Availability === 'active',
  explain: (nodes) => `${countOfNodes(nodes)} not available for new tasks`,
};
