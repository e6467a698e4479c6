import { amountsOf, hasAmounts } from '../amounts.ts';
import { countOfNodes, type Filter } from './filter.ts';

/** A node must have what the task reserves still free: CPU, memory and generic resources. */
export const resourcesFilter: Filter = {
  prepare({ spec }) {
    const asked = amountsOf(spec.TaskTemplate.Resources?.Reservations);
    if (!hasAmounts(asked)) return undefined;
    return (candidate) => candidate.hasFree(asked);
  },
  explain: (nodes) => `insufficient resources on ${countOfNodes(nodes)}`,
};
