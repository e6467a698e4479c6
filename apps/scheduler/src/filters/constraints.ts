import { type Constraint, matchesConstraints, parseConstraints, type Revision } from '@shoal/state';
import { type Check, countOfNodes, type Filter } from './filter.ts';

const none: readonly Constraint[] = [];

function constraintsOf({ spec }: Revision): readonly Constraint[] {
  const texts = spec.TaskTemplate.Placement?.Constraints ?? [];
  if (texts.length === 0) return none;
  const parsed = parseConstraints(texts);
  return parsed.kind === 'constraints' ? parsed.constraints : none;
}

function meets(constraints: readonly Constraint[]): Check {
  return ({ node }) => matchesConstraints(constraints, node);
}

/** A node must meet every placement constraint; a list that cannot be read constrains nothing. */
export const constraintsFilter: Filter = {
  prepare({ revision }) {
    const constraints = constraintsOf(revision);
    return constraints.length === 0 ? undefined : meets(constraints);
  },
  explain: (nodes) => `scheduling constraints not satisfied on ${countOfNodes(nodes)}`,
  lack({ revision }, { node }) {
    const unmet = constraintsOf(revision).filter((one) => !matchesConstraints([one], node));
    const texts = unmet.map(({ key, equal, value }) => `${key}${equal ? '==' : '!='}${value}`);
    return { distance: unmet.length, words: `does not meet ${texts.join(', ')}` };
  },
  terrain({ revision }) {
    return (revision.spec.TaskTemplate.Placement?.Constraints ?? []).join('\n');
  },
};
