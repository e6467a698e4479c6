import { hostPortsOf } from '../host-ports.ts';
import { countOfNodes, type Filter } from './filter.ts';

/** A node must have the ports free that the task publishes on the node itself. */
export const hostPortsFilter: Filter = {
  prepare({ spec }) {
    const ports = hostPortsOf(spec);
    if (ports.length === 0) return undefined;
    return (candidate) => ports.every((port) => candidate.hasPortFree(port));
  },
  explain: (nodes) => `host-mode port already in use on ${countOfNodes(nodes)}`,
};
