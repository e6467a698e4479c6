import { demandOf } from '@shoal/state';
import type { Filter } from './filter.ts';

/** A node must hold fewer tasks of the service than the service allows on one node. */
export const maxReplicasFilter: Filter = {
  prepare({ revision }) {
    const most = demandOf(revision).maxReplicasPerNode;
    if (most <= 0) return undefined;
    return (candidate) => candidate.tasksOf(revision.serviceId) < most;
  },
  explain: () => 'max replicas per node limit exceed',
  lack({ revision }) {
    const most = demandOf(revision).maxReplicasPerNode;
    return {
      distance: 1,
      words: `has ${most === 1 ? 'the 1 task' : `all ${most} tasks`} of the service it may have`,
    };
  },
};
