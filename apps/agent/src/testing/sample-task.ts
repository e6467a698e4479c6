import type { NodeDescription, TaskAssignment } from '@shoal/state';

/** A node that says the least a node can say. */
export const sampleNode: NodeDescription = {
  Hostname: 'host',
  Platform: { Architecture: 'x86_64', OS: 'linux' },
  Resources: {},
  Engine: { EngineVersion: '28', Plugins: [] },
};

/** A task `t` of service `web`, to run on node `n`. */
export function sampleAssignment(more: Partial<TaskAssignment> = {}): TaskAssignment {
  return {
    taskId: 't',
    serviceId: 's',
    serviceName: 'web',
    serviceLabels: {},
    slot: 1,
    nodeId: 'n',
    desired: 'running',
    template: { ContainerSpec: { Image: 'i' }, ForceUpdate: 0 },
    hostPorts: [],
    localNetworks: [],
    ...more,
  };
}

/** An assignment with a health check: its task stays `starting` until it is said to be healthy. */
export function checkedAssignment(taskId: string): TaskAssignment {
  const ContainerSpec = { Image: 'i', Healthcheck: { Test: ['CMD', 'true'] } };
  return sampleAssignment({ taskId, template: { ContainerSpec, ForceUpdate: 0 } });
}
