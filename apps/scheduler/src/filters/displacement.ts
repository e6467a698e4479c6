import { countOfNodes, type Filter } from './filter.ts';

/**
 * Room that is being made for a task of higher priority is not given to others: they would take it bit
 * by bit as it comes free.
 */
export const displacementFilter: Filter = {
  prepare({ revision, policies }) {
    if (policies === undefined) return undefined;
    const { serviceId } = revision;
    const { displacements } = policies;
    return ({ id }) => {
      if (displacements.isIdle) return true;
      for (const task of displacements.awaiting(id))
        if (policies.priorityOf(task.serviceId) > policies.priorityOf(serviceId)) return false;
      return true;
    };
  },
  explain: (nodes) => `room is being made for tasks of higher priority on ${countOfNodes(nodes)}`,
  lack: () => ({ distance: 1, words: 'makes room for a task of higher priority' }),
};
