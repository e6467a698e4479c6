import { matchesConstraints, parseConstraints } from '@shoal/state';
import { countOfNodes, type Filter } from './filter.ts';

/** A node must meet every placement constraint; a list that cannot be read constrains nothing. */
export const constraintsFilter: Filter = {
  prepare({ revision }) {
    const parsed = parseConstraints(revision.spec.TaskTemplate.Placement?.Constraints ?? []);
    if (parsed.kind !== 'constraints' || parsed.constraints.length === 0) return undefined;
    return ({ node }) => matchesConstraints(parsed.constraints, node);
  },
  explain: (nodes) => `scheduling constraints not satisfied on ${countOfNodes(nodes)}`,
};
