import { countOfNodes, type Filter } from './filter.ts';

/**
 * Cluster volumes (CSI) need a volume manager that this swarm does not have: a task that mounts one
 * waits and says so, whatever the node.
 */
export const volumesFilter: Filter = {
  prepare({ revision }) {
    const mounts = revision.spec.TaskTemplate.ContainerSpec.Mounts;
    return mounts?.some(({ Type }) => Type === 'cluster') ? () => false : undefined;
  },
  explain: (nodes) => `cannot fulfill requested CSI volume mounts on ${countOfNodes(nodes)}`,
  lack: () => ({ distance: 4, words: 'cannot mount cluster volumes, which are not supported' }),
};
