import { demandOf } from '@shoal/state';
import type { Check, Filter } from './filter.ts';

function hasFewerThan(most: number, serviceId: string): Check {
  return (candidate) => candidate.tasksOf(serviceId) < most;
}

/** A node must hold fewer tasks of the service than the service allows on one node. */
export const maxReplicasFilter: Filter = {
  prepare({ revision }) {
    const most = demandOf(revision).maxReplicasPerNode;
    return most <= 0 ? undefined : hasFewerThan(most, revision.serviceId);
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
