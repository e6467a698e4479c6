import { demandOf } from '@shoal/state';
import { countOfNodes, type Filter } from './filter.ts';

/** A node must have the ports free that the task publishes on the node itself. */
export const hostPortsFilter: Filter = {
  prepare({ revision }) {
    const { hostPorts } = demandOf(revision);
    if (hostPorts.length === 0) return undefined;
    return (candidate) => hostPorts.every(({ key }) => candidate.hasPortFree(key));
  },
  explain: (nodes) => `host-mode port already in use on ${countOfNodes(nodes)}`,
  lack({ revision }, candidate) {
    const taken = demandOf(revision).hostPorts.find(({ key }) => !candidate.hasPortFree(key));
    return { distance: 1, words: `has port ${taken?.port}/${taken?.protocol} taken` };
  },
};
