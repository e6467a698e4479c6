import type { PolicyBook } from '../policies/book.ts';
import { type Check, countOfNodes, type Filter } from './filter.ts';

function isNotKept(policies: PolicyBook, serviceId: string): Check {
  return ({ id }) => {
    if (policies.displacements.isIdle) return true;
    for (const task of policies.displacements.awaiting(id))
      if (policies.priorityOf(task.serviceId) > policies.priorityOf(serviceId)) return false;
    return true;
  };
}

/**
 * Room that is being made for a task of higher priority is not given to others: they would take it bit
 * by bit as it comes free.
 */
export const displacementFilter: Filter = {
  prepare({ revision, policies }) {
    return policies && isNotKept(policies, revision.serviceId);
  },
  explain: (nodes) => `room is being made for tasks of higher priority on ${countOfNodes(nodes)}`,
  lack: () => ({ distance: 1, words: 'makes room for a task of higher priority' }),
};
