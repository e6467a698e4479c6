import { demandOf } from '@shoal/state';
import { countOfNodes, type Filter } from './filter.ts';

/** A node must have what the task reserves still free: CPU, memory and generic resources. */
export const resourcesFilter: Filter = {
  prepare({ revision }) {
    const demand = demandOf(revision);
    if (demand.nanoCpus === 0 && demand.memoryBytes === 0 && demand.generic.size === 0)
      return undefined;
    return (candidate) => candidate.hasFree(demand);
  },
  explain: (nodes) => `insufficient resources on ${countOfNodes(nodes)}`,
};
