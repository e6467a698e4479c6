import type { Filter } from './filter.ts';

/** A node must hold fewer tasks of the service than the service allows on one node. */
export const maxReplicasFilter: Filter = {
  prepare({ serviceId, spec }) {
    const most = spec.TaskTemplate.Placement?.MaxReplicas ?? 0;
    if (most <= 0) return undefined;
    return (candidate) => candidate.heldBy(serviceId) < most;
  },
  explain: () => 'max replicas per node limit exceed',
};
